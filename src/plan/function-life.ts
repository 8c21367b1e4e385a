// Whether a function lives long enough to train: it starts, makes some steps and hands over, or the next one begins
// where it began. A pure function of times.

import { SltrainError } from "../errors.ts";
import { formatCount, formatDuration } from "../units.ts";
import { leastMemoryMiB, vcpusOf } from "./function-memory.ts";

export interface FunctionLife {
  readonly timeoutS: number;
  readonly memoryMiB: number;
  readonly workers: number;
  /** Samples of a step on one worker. */
  readonly samples: number;
  /** Of such a step on one whole vCPU. */
  readonly stepMs: number;
  /** Of which a function of so much memory has the use while it computes: 0.25. */
  readonly vcpusWith: (memoryMiB: number) => number;
}

/** Of a function with a whole vCPU, from its start to its first step. */
const START_MS = 400;
/** Fewer are not worth a start. */
const LEAST_STEPS = 3;
/** https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html */
const LONGEST_TIMEOUT_S = 900;

interface Times {
  readonly stepMs: number;
  /** For steps, after the start. */
  readonly availableMs: number;
  readonly neededMs: number;
}

function timesOf({ timeoutS, stepMs, vcpusWith }: FunctionLife, memoryMiB: number): Times {
  const ownMs = stepMs / vcpusWith(memoryMiB);
  const startMs = START_MS / Math.min(1, vcpusOf(memoryMiB));
  return {
    stepMs: ownMs,
    availableMs: Math.max(0, timeoutS * 1000 - startMs),
    neededMs: LEAST_STEPS * ownMs,
  };
}

export function livesLongEnough(life: FunctionLife, memoryMiB = life.memoryMiB): boolean {
  const { neededMs, availableMs } = timesOf(life, memoryMiB);
  return neededMs <= availableMs;
}

/** Throws "timeout-too-short" naming what a step takes, and which time-out, batch or memory would do. */
export function refuseShortLife(life: FunctionLife): void {
  if (livesLongEnough(life)) return;
  const { timeoutS, memoryMiB, workers, samples, vcpusWith } = life;
  const { stepMs, neededMs, availableMs } = timesOf(life, memoryMiB);
  const enoughS = Math.ceil(timeoutS + (neededMs - availableMs) / 1000);
  const fits = Math.floor((samples * availableMs) / neededMs);
  const memory = leastMemoryMiB(memoryMiB, (more) => livesLongEnough(life, more));
  const suggestions = [
    ...(enoughS <= LONGEST_TIMEOUT_S ? [`Use --timeout-s ${enoughS} or more.`] : []),
    ...(fits > 0 ? [`Use --batch-size ${fits * workers} or smaller, or more --workers.`] : []),
    ...(memory === undefined
      ? []
      : [`Give functions more memory, and with it more of a processor: --memory-mib ${memory}.`]),
  ];
  throw new SltrainError({
    code: "timeout-too-short",
    message:
      `--timeout-s: expected functions that live for ${LEAST_STEPS} steps at least, got ${timeoutS} s, which leave ` +
      `${formatDuration(availableMs)} for steps of ${formatDuration(stepMs)} (${formatCount(samples)} samples on ` +
      `${vcpusWith(memoryMiB).toFixed(2)} vCPU)`,
    suggestions: suggestions.length > 0 ? suggestions : ["Use a smaller model."],
  });
}
