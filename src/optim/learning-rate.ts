// Learning-rate schedules: pure functions of the step, so that every rank and every restart computes the same rate.

export type Decay =
  | { readonly kind: "constant" }
  /** Half a cosine from the peak to `floor` (a share of the peak) at the last step (Loshchilov and Hutter 2017, equation 5). */
  | { readonly kind: "cosine"; readonly floor: number }
  /** Multiplied by `factor` every `everySteps` steps. */
  | { readonly kind: "step"; readonly everySteps: number; readonly factor: number };

/** A decay whose numbers a run's length decides. */
export type ScheduleName = Decay["kind"];

export interface LearningRate {
  readonly peak: number;
  /** The rate rises linearly over this many first steps, from peak / warmUpSteps to the peak; decay counts from there. */
  readonly warmUpSteps: number;
  readonly decay: Decay;
}

/** The rate of a step (0-based) of a run of `totalSteps`. */
export function learningRateAt(
  { peak, warmUpSteps, decay }: LearningRate,
  step: number,
  totalSteps: number,
): number {
  if (step < warmUpSteps) return (peak * (step + 1)) / warmUpSteps;
  const decaySteps = step - warmUpSteps;
  switch (decay.kind) {
    case "constant":
      return peak;
    case "cosine": {
      const progress = Math.min(1, decaySteps / Math.max(1, totalSteps - 1 - warmUpSteps));
      return peak * (decay.floor + ((1 - decay.floor) * (1 + Math.cos(Math.PI * progress))) / 2);
    }
    case "step":
      return peak * decay.factor ** Math.floor(decaySteps / decay.everySteps);
  }
}
