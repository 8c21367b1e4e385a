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
  readonly startMs: number;
  readonly stepMs: number;
  /** Start and steps. */
  readonly neededMs: number;
}

function timesOf({ stepMs, vcpusWith }: FunctionLife, memoryMiB: number): Times {
  const own = { startMs: START_MS / Math.min(1, vcpusOf(memoryMiB)), stepMs: stepMs / vcpusWith(memoryMiB) };
  return { ...own, neededMs: own.startMs + LEAST_STEPS * own.stepMs };
}

export function livesLongEnough(life: FunctionLife, memoryMiB = life.memoryMiB): boolean {
  return timesOf(life, memoryMiB).neededMs <= life.timeoutS * 1000;
}

/** Throws "timeout-too-short" naming what start and step take, and which time-out, batch or memory would do. */
export function refuseShortLife(life: FunctionLife): void {
  if (livesLongEnough(life)) return;
  const { timeoutS, memoryMiB, workers, samples, vcpusWith } = life;
  const { startMs, stepMs, neededMs } = timesOf(life, memoryMiB);
  const enoughS = Math.ceil(neededMs / 1000);
  const fits = Math.floor((samples * (timeoutS * 1000 - startMs)) / (neededMs - startMs));
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
      `--timeout-s: expected functions that live for ${LEAST_STEPS} steps at least, got ${timeoutS} s: with ` +
      `${vcpusWith(memoryMiB).toFixed(2)} vCPU a start takes ${formatDuration(startMs)}, and a step of ` +
      `${formatCount(samples)} samples ${formatDuration(stepMs)}`,
    suggestions: suggestions.length > 0 ? suggestions : ["Use a smaller model."],
  });
}
