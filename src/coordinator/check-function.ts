// Whether a function of the chosen memory and time-out can make the run's steps: told before anything is started.

import { availableParallelism } from "node:os";
import { type GpuLimits, refuseWithoutGpuMemory } from "../algorithms/gpu-memory.ts";
import { partRows } from "../algorithms/own-rows.ts";
import { longestStepMs, measureStepMs } from "../algorithms/step-time.ts";
import { refuseWithoutMemory, type TrainingJob } from "../algorithms/training-memory.ts";
import { samplesPerStep, takesAllRows } from "../config/samples-per-step.ts";
import type { TrainConfig } from "../config/schema.ts";
import type { DataManifest } from "../data/manifest.ts";
import { type FunctionLife, livesLongEnough, refuseShortLife } from "../plan/function-life.ts";
import { vcpusOf } from "../plan/function-memory.ts";

/**
 * Of a run on GPUs, whether the `gpu` can, if it is known here: its activations are not in the function's memory, and the
 * processor's pace says nothing of its own. Throws "out-of-memory" or "timeout-too-short", naming what would do. Measures a step
 * where it may be too long.
 */
export async function checkFunction(
  config: TrainConfig,
  data: DataManifest,
  job: TrainingJob,
  gpu?: GpuLimits,
): Promise<void> {
  const { memoryMiB, workers, timeoutS } = config;
  const { share, samples } = passOf(config, data, job);
  if (config.device === "webgpu") {
    if (gpu !== undefined) refuseWithoutGpuMemory(job, samples, gpu);
    return;
  }
  refuseWithoutMemory(job, samples, { memoryMiB, data, takesAllRows: takesAllRows(config) });
  const life = {
    ...{ timeoutS, memoryMiB, workers, samples: share },
    vcpusWith: (memory: number) => usableVcpus(config, memory),
    stepMs: (share / samples) * longestStepMs(job, samples),
  } satisfies FunctionLife;
  if (livesLongEnough(life)) return;
  refuseShortLife({ ...life, stepMs: await measurePassMs(config, data, job) });
}

/** Of a step on the worker with most samples, or of one pass over all its rows. See `measureStepMs`. */
export async function measurePassMs(
  config: TrainConfig,
  data: DataManifest,
  job: TrainingJob,
): Promise<number> {
  const { share, samples } = passOf(config, data, job);
  return (share / samples) * (await measureStepMs(job, samples));
}

/** On the worker with most of them: samples of a step, and how many of them its device takes at a time. */
function passOf(
  config: TrainConfig,
  { counts }: DataManifest,
  { topology }: TrainingJob,
): { readonly share: number; readonly samples: number } {
  const share = Math.ceil(Math.min(samplesPerStep(config, counts.train), counts.train) / config.workers);
  return { share, samples: takesAllRows(config) ? partRows(topology, share) : share };
}

/** A part of a vCPU, or whole ones, as many as there are threads; local workers share the machine's. */
export function usableVcpus({ provider, workers, threads }: TrainConfig, memoryMiB: number): number {
  const vcpus = vcpusOf(memoryMiB);
  const used = vcpus < 1 ? vcpus : Math.min(Math.floor(vcpus), threads ?? Infinity);
  return provider === "local" ? Math.min(used, availableParallelism() / workers) : used;
}
