// What a training step costs the host: to encode and submit it, and the processor's time in all.

import { Replica } from "../../src/algorithms/replica.ts";
import { createWebGpuDevice } from "../../src/device/webgpu/webgpu-device.ts";
import { defaultLoss } from "../../src/models/build.ts";
import { modelExamples } from "../shapes/model-examples.ts";
import { median } from "../statistics.ts";

export interface HostTime {
  readonly model: string;
  readonly batchSize: number;
  readonly steps: number;
  readonly instructions: number;
  /** From the call of a step to its return, before anything is waited for: encoding and submission; median. */
  readonly submitMs: number;
  /** Processor time of all threads, the driver's too, for a step. On a software adapter that is the step itself. */
  readonly cpuMs: number;
}

const WARM_UP_STEPS = 10;

/** LeNet-5's forward and backward pass. The device is of its own: without timestamps, as a worker has it. */
export async function measureHostTime(
  adapter: GPUAdapter,
  { batchSize, steps }: { readonly batchSize: number; readonly steps: number },
): Promise<HostTime> {
  const { topology, model } = modelExamples().find((example) => example.model.name === "lenet5")!;
  const device = await createWebGpuDevice(adapter);
  try {
    const replica = new Replica({ device, topology, loss: defaultLoss(topology), seed: 1 });
    const { step, lastInstruction } = await replica.training(batchSize);
    for (let i = 0; i < WARM_UP_STEPS; i++) await step.run();
    const submitMs: number[] = [];
    const cpuBefore = process.cpuUsage();
    for (let i = 0; i < steps; i++) {
      const beganMs = performance.now();
      const run = step.run();
      submitMs.push(performance.now() - beganMs);
      await run;
    }
    const { user, system } = process.cpuUsage(cpuBefore);
    return {
      ...{ model: model.name, batchSize, steps, instructions: lastInstruction + 1 },
      submitMs: median(submitMs),
      cpuMs: (user + system) / 1000 / steps,
    };
  } finally {
    device.destroy();
  }
}
