// Whether memory grows while a model trains for long: LeNet-5 as a worker runs it, batch after batch uploaded, gradients
// read back, parameters updated.

import { execFileSync } from "node:child_process";
import { Replica } from "../../src/algorithms/replica.ts";
import type { Device } from "../../src/device/device.ts";
import { defaultLoss } from "../../src/models/build.ts";
import { hyperAt, optimizerOf } from "../../src/optim/optimizer.ts";
import { findExample } from "../shapes/model-examples.ts";

export interface MemoryGrowth {
  readonly seconds: number;
  readonly steps: number;
  /** MiB of the process, at first, and the slope over the last two thirds of the time. */
  readonly firstMiB: number;
  readonly lastMiB: number;
  readonly growthMiBPerHour: number;
  /** MiB of the GPU that are in use by anybody, before and after; null without nvidia-smi. */
  readonly gpuFirstMiB: number | null;
  readonly gpuLastMiB: number | null;
}

const SAMPLE_MS = 500;
const MIB = 2 ** 20;

export async function measureMemoryGrowth(
  device: Device,
  { batchSize, seconds }: { readonly batchSize: number; readonly seconds: number },
): Promise<MemoryGrowth> {
  const { topology } = findExample("lenet5");
  const replica = new Replica({ device, topology, loss: defaultLoss(topology), seed: 1 });
  const optimizer = optimizerOf({ optimizer: "sgd", lr: 1e-4 });
  await replica.useOptimizer(optimizer);
  const x = new Float32Array(batchSize * 28 * 28);
  const labels = new Int32Array(batchSize).map((_, i) => i % 10);
  const samples: { readonly atS: number; readonly mib: number }[] = [];
  // Compiled before the clock starts.
  await replica.training(batchSize);
  const beganMs = performance.now();
  const gpuFirstMiB = gpuMemoryMiB();
  let steps = 0;
  for (let nextMs = 0; ; steps++) {
    const nowMs = performance.now() - beganMs;
    if (nowMs >= nextMs) {
      samples.push({ atS: nowMs / 1000, mib: process.memoryUsage().rss / MIB });
      if (nowMs > seconds * 1000) break;
      nextMs = nowMs + SAMPLE_MS;
    }
    x.fill((steps % 10) / 10);
    await replica.runTraining({ count: batchSize, x, labels, step: steps, sampleOffset: 0 });
    await replica.read("gradients");
    await replica.applyUpdate(hyperAt(optimizer, steps, 1));
  }
  const late = samples.filter(({ atS }) => atS > seconds / 3);
  return {
    ...{ seconds, steps, firstMiB: samples[0]!.mib, lastMiB: samples.at(-1)!.mib },
    growthMiBPerHour: slope(late) * 3600,
    gpuFirstMiB,
    gpuLastMiB: gpuMemoryMiB(),
  };
}

/** MiB per second, by least squares. */
function slope(samples: readonly { readonly atS: number; readonly mib: number }[]): number {
  const mean = (of: (sample: (typeof samples)[number]) => number): number =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const [meanS, meanMiB] = [mean(({ atS }) => atS), mean(({ mib }) => mib)];
  const spread = mean(({ atS }) => (atS - meanS) ** 2);
  return spread === 0 ? 0 : mean(({ atS, mib }) => (atS - meanS) * (mib - meanMiB)) / spread;
}

function gpuMemoryMiB(): number | null {
  try {
    const args = ["--query-gpu=memory.used", "--format=csv,noheader,nounits"];
    return Number.parseFloat(execFileSync("nvidia-smi", args, { encoding: "utf8", stdio: "pipe" }));
  } catch {
    // No tool of NVIDIA's: there is nothing to ask.
    return null;
  }
}
