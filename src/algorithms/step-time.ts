// How long a training step takes on this machine: a bound from its operations where that is enough, else measured.

import { createWasmDevice } from "../device/wasm/wasm-device.ts";
import { flopsOf } from "../graph/program.ts";
import { Replica } from "./replica.ts";
import { buildTrainingStep, type TrainingJob } from "./training-memory.ts";

/** What the slowest vCPU that runs WebAssembly SIMD does at the least, in a step of small matrices. */
const LEAST_GFLOPS = 4;
const LEAST_RUNS = 3;
/** V8 has optimised the kernels of small models by then. */
const MEASURE_MS = 150;
/** Any: times do not depend on values. */
const SEED = 1;

/** What a step of `count` samples takes at most on one vCPU. Compiles nothing. */
export function longestStepMs(job: TrainingJob, count: number): number {
  return flopsOf(buildTrainingStep(job, count).program) / LEAST_GFLOPS / 1e6;
}

/** The fastest forward and backward pass of some over `count` samples, in one thread. Takes some 0.2 s and three passes. */
export async function measureStepMs({ topology, loss }: TrainingJob, count: number): Promise<number> {
  const device = await createWasmDevice();
  try {
    const replica = new Replica({ device, topology, loss, seed: SEED, begins: "empty" });
    const { step } = await replica.training(count);
    const untilMs = performance.now() + MEASURE_MS;
    let bestMs = Infinity;
    for (let runs = 0; runs < LEAST_RUNS || performance.now() < untilMs; runs++) {
      const beganMs = performance.now();
      await step.run();
      bestMs = Math.min(bestMs, performance.now() - beganMs);
    }
    return bestMs;
  } finally {
    device.destroy();
  }
}
