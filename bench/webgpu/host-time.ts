// What a training step costs the host's processor on a GPU: uploading the batch, encoding, submitting, and hearing of
// results, without the GPU's own work. On Dawn's null backend, which runs nothing, all time is the host's and no driver's.

import { Replica } from "../../src/algorithms/replica.ts";
import { createWebGpuDevice } from "../../src/device/webgpu/webgpu-device.ts";
import { defaultLoss } from "../../src/models/build.ts";
import { optimizerOf } from "../../src/optim/optimizer.ts";
import { findExample } from "../shapes/model-examples.ts";
import { median } from "../statistics.ts";

export interface HostTime {
  readonly model: string;
  readonly batchSize: number;
  readonly steps: number;
  readonly kernels: number;
  /** Within a step's calls, before anything is waited for; median. */
  readonly callsMs: number;
  /** The same of a step without upload, read-back and update: its forward and backward pass, encoded and submitted. */
  readonly submitMs: number;
  /** Processor time of all threads for a step, the driver's too. On a software adapter that is the step itself. */
  readonly cpuMs: number;
}

export interface HostTimePlan {
  readonly model: string;
  readonly batchSize: number;
  readonly warmUpSteps: number;
  readonly steps: number;
}

/** A step: pass over the batch, gradients read back in one bucket, update. The device is as a worker has it. */
export async function measureHostTime(adapter: GPUAdapter, plan: HostTimePlan): Promise<HostTime> {
  const { topology } = findExample(plan.model);
  const device = await createWebGpuDevice(adapter);
  try {
    const replica = new Replica({ device, topology, loss: defaultLoss(topology), seed: 1 });
    await replica.useOptimizer(optimizerOf({ optimizer: "momentum", lr: 0.01 }));
    const { step, vectors, lastInstruction } = await replica.training(plan.batchSize);
    const { "input.x": inputs, gradients } = vectors;
    const x = new Float32Array(inputs!.elements);
    const hyper = new Float32Array(8);
    const readBacks = [{ vector: gradients!, begin: 0, end: gradients!.elements, after: lastInstruction }];
    const callsMs: number[] = [];
    const submitMs: number[] = [];
    const began = (): (() => number) => {
      const beganMs = performance.now();
      return () => performance.now() - beganMs;
    };
    const trainStep = async (): Promise<void> => {
      const passMs = began();
      device.write(inputs!, 0, x);
      const passed = step.run({ readBacks });
      const passCallsMs = passMs();
      await passed;
      const updateMs = began();
      device.write(gradients!, 0, device.mirror(gradients!));
      const updated = replica.applyUpdate(hyper);
      callsMs.push(passCallsMs + updateMs());
      await updated;
    };
    for (let i = 0; i < plan.warmUpSteps; i++) await trainStep();
    callsMs.length = 0;
    const before = process.cpuUsage();
    for (let i = 0; i < plan.steps; i++) await trainStep();
    const { user, system } = process.cpuUsage(before);
    for (let i = 0; i < plan.steps; i++) {
      const ms = began();
      const run = step.run();
      submitMs.push(ms());
      await run;
    }
    return {
      ...{ model: plan.model, batchSize: plan.batchSize, steps: plan.steps },
      kernels: step.kernelNames.filter((kernel) => kernel !== undefined).length,
      callsMs: median(callsMs),
      submitMs: median(submitMs),
      cpuMs: (user + system) / 1000 / plan.steps,
    };
  } finally {
    device.destroy();
  }
}
