// What training needs of a GPU's buffers, and what its adapter allows: told before anything is compiled. How much memory
// the GPU has and what others have taken of it, WebGPU does not say: that shows when a device allocates.

import { SltrainError } from "../errors.ts";
import { elementCount } from "../kernels/tensor.ts";
import { buildUpdateProgram } from "../optim/update-program.ts";
import { formatBytes, formatCount } from "../units.ts";
import { buildTrainingStep, largestFitting, type TrainingJob } from "./training-memory.ts";

export interface GpuLimits {
  /** Of the adapter. */
  readonly name: string;
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
}

interface Excess {
  readonly what: string;
  readonly needBytes: number;
  readonly limitBytes: number;
  readonly limit: string;
}

const ELEMENT_BYTES = 4;

/** Throws SltrainError "out-of-memory" if steps of `count` samples need more, naming what does, and the largest count. */
export function refuseWithoutGpuMemory(job: TrainingJob, count: number, limits: GpuLimits): void {
  const excess = findExcess(job, count, limits);
  if (excess === undefined) return;
  const largest = largestFitting((fewer) => findExcess(job, fewer, limits) === undefined, count);
  const { what, needBytes, limitBytes, limit } = largest > 0 ? excess : findExcess(job, 1, limits)!;
  const need = `whose ${what} need ${formatBytes(needBytes)}`;
  throw new SltrainError({
    code: "out-of-memory",
    message:
      `${job.topology.name}: expected steps that fit ${limits.name}, which has ${formatBytes(limitBytes)} for ${limit}, ` +
      `got ${formatCount(count)} samples per worker` +
      (largest > 0 ? `, ${need}; at most ${formatCount(largest)} fit` : `; not even one fits, ${need}`),
    suggestions: [
      largest > 0
        ? `Use at most ${formatCount(largest)} samples per worker: a smaller --batch-size, or more --workers.`
        : "Use a smaller model, or a GPU with larger buffers: `sltrain devices` lists their limits.",
    ],
  });
}

/** The first that there is. */
function findExcess(job: TrainingJob, count: number, limits: GpuLimits): Excess | undefined {
  const { program, plan, parameters } = buildTrainingStep(job, count);
  const update = buildUpdateProgram(job.optimizer, parameters).program;
  const whole = { limitBytes: limits.maxBufferSize, limit: "a buffer" };
  const bound = {
    limitBytes: limits.maxStorageBufferBindingSize,
    limit: "what a kernel reaches of a buffer",
  };
  const needs = [
    { ...whole, what: "activations", elements: plan.arenaElements },
    ...Object.entries({ ...update.vectors, ...program.vectors }).map(([what, elements]) => ({
      ...{ ...whole, what, elements },
    })),
    ...[...program.values, ...update.values].map(({ name, type }) => ({
      ...{ ...bound, what: `values of ${name}`, elements: elementCount(type) },
    })),
  ];
  return needs
    .map(({ elements, ...need }) => ({ ...need, needBytes: elements * ELEMENT_BYTES }))
    .find(({ needBytes, limitBytes }) => needBytes > limitBytes);
}
