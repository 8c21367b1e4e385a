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

/** Of the process, in MiB. What JavaScript does not hold is Dawn's, the driver's and, on a software adapter, the GPU's. */
export interface MemorySample {
  readonly atS: number;
  readonly steps: number;
  readonly residentMiB: number;
  readonly heapMiB: number;
  /** Buffers outside of the heap: batches, mirrors. */
  readonly buffersMiB: number;
  readonly nativeMiB: number;
}

export interface GrowthPlan {
  readonly batchSize: number;
  readonly seconds: number;
  /** Is told every half second. */
  readonly onSample?: (sample: MemorySample) => void;
}

const SAMPLE_MS = 500;
const MIB = 2 ** 20;

export async function measureMemoryGrowth(
  device: Device,
  { batchSize, seconds, onSample }: GrowthPlan,
): Promise<MemoryGrowth> {
  const { topology } = findExample("lenet5");
  const replica = new Replica({ device, topology, loss: defaultLoss(topology), seed: 1 });
  const optimizer = optimizerOf({ optimizer: "sgd", lr: 1e-4 });
  await replica.useOptimizer(optimizer);
  const x = new Float32Array(batchSize * 28 * 28);
  const labels = new Int32Array(batchSize).map((_, i) => i % 10);
  const samples: MemorySample[] = [];
  // Compiled before the clock starts.
  await replica.training(batchSize);
  const beganMs = performance.now();
  const gpuFirstMiB = gpuMemoryMiB();
  let steps = 0;
  for (let nextMs = 0; ; steps++) {
    const nowMs = performance.now() - beganMs;
    if (nowMs >= nextMs) {
      const sample = takeSample(nowMs / 1000, steps);
      samples.push(sample);
      onSample?.(sample);
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
    ...{ seconds, steps, firstMiB: samples[0]!.residentMiB, lastMiB: samples.at(-1)!.residentMiB },
    growthMiBPerHour: slope(late) * 3600,
    gpuFirstMiB,
    gpuLastMiB: gpuMemoryMiB(),
  };
}

function takeSample(atS: number, steps: number): MemorySample {
  const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
  return {
    ...{ atS, steps, residentMiB: rss / MIB, heapMiB: heapUsed / MIB, buffersMiB: external / MIB },
    nativeMiB: (rss - heapTotal - external) / MIB,
  };
}

/** MiB per second of resident memory, by least squares. */
function slope(samples: readonly MemorySample[]): number {
  const mean = (of: (sample: MemorySample) => number): number =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const [meanS, meanMiB] = [mean(({ atS }) => atS), mean(({ residentMiB }) => residentMiB)];
  const spread = mean(({ atS }) => (atS - meanS) ** 2);
  if (spread === 0) return 0;
  return mean(({ atS, residentMiB }) => (atS - meanS) * (residentMiB - meanMiB)) / spread;
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
