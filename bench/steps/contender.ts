// Who takes part in the bench of training steps: something that trains one model on one batch, step by step.

export interface Run {
  /** Of every step; of a few together their mean, where the host need not wait for each. */
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
