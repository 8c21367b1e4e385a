// Learning-rate schedules: pure functions of the step, so that every rank and every restart computes the same rate.

/** The rate as a share of its peak, where `progress` in [0, 1] is the part of the run that lies behind. */
const schedules = {
  constant: () => 1,
  /** Half a cosine down to zero (Loshchilov and Hutter 2017, equation 5). */
  cosine: (progress) => (1 + Math.cos(Math.PI * progress)) / 2,
  /** A tenth after each third of the run (He et al. 2016, section 3.4, in its usual 30-60-90 form). */
  step: (progress) => 0.1 ** Math.min(2, Math.floor(progress * 3)),
} as const satisfies Readonly<Record<string, (progress: number) => number>>;

export type ScheduleName = keyof typeof schedules;

export interface LearningRate {
  readonly peak: number;
  readonly schedule: ScheduleName;
  /** The rate rises linearly over this many first steps, from peak / warmupSteps to the peak; the schedule counts from there. */
  readonly warmupSteps: number;
}

/** The rate of a step (0-based) of a run of `totalSteps`. */
export function learningRateAt(rate: LearningRate, step: number, totalSteps: number): number {
  const { peak, schedule, warmupSteps } = rate;
  if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  const progress = (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
  return peak * schedules[schedule](Math.min(1, progress));
}
