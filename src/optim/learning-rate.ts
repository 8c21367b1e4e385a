// Learning-rate schedules: pure functions of the step, so that every rank and every restart computes the same rate.

import { SltrainError } from "../errors.ts";

/** Where in a run a step is. */
interface Moment {
  /** The part of the run after its warm-up that lies behind, in [0, 1]. */
  readonly progress: number;
  /** Steps and epochs that lie behind, warm-up included; an epoch under way counts by its part. */
  readonly step: number;
  readonly epochs: number;
}

/** The rate as a share of its peak. */
export type Course = (moment: Moment) => number;

interface Form {
  /** As it is shown to users; brackets hold what may be left out. */
  readonly form: string;
  /** Of what stands behind the colon, if anything does; undefined if that makes no such schedule. */
  parse(parameter: string | undefined): Course | undefined;
}

/** What a milestone leaves of the rate (He et al. 2016, section 3.4). */
const STEP_FACTOR = 0.1;

const forms: Readonly<Record<string, Form>> = {
  constant: { form: "constant", parse: (parameter) => (parameter === undefined ? () => 1 : undefined) },
  /** Half a cosine down to zero (Loshchilov and Hutter 2017, equation 5). */
  cosine: {
    form: "cosine",
    parse: (parameter) =>
      parameter === undefined ? ({ progress }) => (1 + Math.cos(Math.PI * progress)) / 2 : undefined,
  },
  /** Without milestones after each third of the run: the usual 30-60-90 form. */
  step: {
    form: "step[:50%,75% | :EPOCHS,…]",
    parse: (parameter) =>
      parameter === undefined
        ? ({ progress }) => STEP_FACTOR ** Math.min(2, Math.floor(progress * 3))
        : afterMilestones(parameter),
  },
  /** As PyTorch's ExponentialLR and Keras's ExponentialDecay, without stairs. */
  exponential: {
    form: "exponential[:SHARE_LEFT_BY_AN_EPOCH]",
    parse: (parameter = "0.95") => {
      const left = numberOf(parameter);
      return left > 0 && left <= 1 ? ({ epochs }) => left ** epochs : undefined;
    },
  },
  /** As TensorFlow's and PyTorch's PolynomialLR to zero; a power of 1 is a straight line. */
  polynomial: {
    form: "polynomial[:POWER]",
    parse: (parameter = "1") => {
      const power = numberOf(parameter);
      return power > 0 ? ({ progress }) => (1 - progress) ** power : undefined;
    },
  },
  /**
   * 1 / sqrt(t), where t counts epochs from 1 (SIREN: Wang, Niu and Li 2019; LambdaML: Jiang et al. 2021, section 5.1), or
   * runs of so many steps.
   */
  "inverse-sqrt": {
    form: "inverse-sqrt[:STEPS]",
    parse: (parameter) => {
      if (parameter === undefined) return ({ epochs }) => 1 / Math.sqrt(1 + Math.floor(epochs));
      const every = numberOf(parameter);
      return Number.isInteger(every) && every >= 1
        ? ({ step }) => 1 / Math.sqrt(1 + Math.floor(step / every))
        : undefined;
    },
  },
};

export const scheduleNames: readonly string[] = Object.keys(forms);

/** Throws SltrainError "schedule-invalid". */
export function parseSchedule(spec: string): Course {
  const [name = "", parameter, ...rest] = spec.split(":");
  const course = rest.length === 0 && Object.hasOwn(forms, name) ? forms[name]!.parse(parameter) : undefined;
  if (course !== undefined) return course;
  const known = Object.values(forms).map(({ form }) => form);
  throw new SltrainError({
    code: "schedule-invalid",
    message: `expected one of ${known.join(", ")}, got ${spec}`,
    suggestions: ["Milestones of step rise: step:50%,75% of the run, or step:80,120 in epochs."],
  });
}

/** A tenth after each milestone: of the run, all in percent, or in epochs. */
function afterMilestones(milestones: string): Course | undefined {
  const words = milestones.split(",");
  const inPercent = words.every((word) => word.endsWith("%"));
  const at = words.map((word) => numberOf(inPercent ? word.slice(0, -1) : word));
  if (!at.every((value, i) => value > (at[i - 1] ?? 0))) return undefined;
  if (inPercent && at.at(-1)! >= 100) return undefined;
  return ({ progress, epochs }) =>
    STEP_FACTOR ** at.filter((milestone) => (inPercent ? 100 * progress : epochs) >= milestone).length;
}

/** NaN of what is no plain decimal number. */
function numberOf(text: string): number {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
}

export interface LearningRate {
  readonly peak: number;
  readonly course: Course;
  /** The rate rises linearly over this many first steps, from peak / warmupSteps to the peak. */
  readonly warmupSteps: number;
}

/** The rate of a step (0-based) of a run of `totalSteps`; one of a single epoch, unless told how many steps an epoch has. */
export function learningRateAt(
  { peak, course, warmupSteps }: LearningRate,
  step: number,
  totalSteps: number,
  stepsPerEpoch = totalSteps,
): number {
  if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
  return peak * course({ progress, step, epochs: step / stepsPerEpoch });
}
