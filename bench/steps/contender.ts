// Who takes part in the bench of training steps: something that trains one model on one batch, step by step.

export interface Run {
  /** Of every step. */
  readonly timesMs: readonly number[];
  /** The mean loss of the run's first and last step. */
  readonly losses: readonly [number, number];
}

export interface Contender {
  readonly name: "sltrain" | "tfjs" | "torch";
  /** Trained numbers: equal for all contenders, or they don't train the same model. */
  readonly parameters: number;
  /** Steps until `budgetMs` have passed, and at least `minSteps`. */
  run(budgetMs: number, minSteps: number): Promise<Run>;
}
