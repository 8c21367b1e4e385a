// What a step costs the host's processor on a GPU: encoding, submitting, and hearing of results, without the GPU's own
// work. Dawn's null backend runs nothing, so that all time is the host's: `node bench/webgpu/submit-time.ts [model [batch]]`.
//
// Prints one JSON line: medians of ms that a step (pass over the batch, gradients read back in one bucket, update) takes
// within its calls, and CPU ms of all threads until it has been heard of.

import { Replica } from "../../src/algorithms/replica.ts";
import { openDawn } from "../../src/device/webgpu/dawn.ts";
import { createWebGpuDevice } from "../../src/device/webgpu/webgpu-device.ts";
import { defaultLoss } from "../../src/models/build.ts";
import { optimizerOf } from "../../src/optim/optimizer.ts";
import { modelExamples } from "../shapes/model-examples.ts";
import { summariseTimes } from "../statistics.ts";

const WARM_UP_STEPS = 200;
const STEPS = 1000;

const [name = "lenet5", batch = "128"] = process.argv.slice(2);
const batchSize = Number(batch);
const example = modelExamples().find(({ model }) => model.name === name);
if (example === undefined) throw new Error(`expected a built-in model, got ${name}`);
const { topology } = example;
const adapter = await (await openDawn("null")).requestAdapter();
const device = await createWebGpuDevice(adapter!);
const replica = new Replica({ device, topology, loss: defaultLoss(topology), seed: 1 });
await replica.useOptimizer(optimizerOf({ optimizer: "momentum", lr: 0.01 }));
const { step, vectors, lastInstruction } = await replica.training(batchSize);
const x = new Float32Array(vectors["input.x"]!.elements);
const hyper = new Float32Array(8);
const whole = { vector: vectors["gradients"]!, begin: 0, end: vectors["gradients"]!.elements };

const callsMs: number[] = [];
let before = process.cpuUsage();
for (let i = 0; i < WARM_UP_STEPS + STEPS; i++) {
  if (i === WARM_UP_STEPS) {
    before = process.cpuUsage();
    callsMs.length = 0;
  }
  const beganMs = performance.now();
  device.write(vectors["input.x"]!, 0, x);
  const finished = step.run({ readBacks: [{ ...whole, after: lastInstruction }] });
  const submittedMs = performance.now() - beganMs;
  await finished;
  const updateMs = performance.now();
  device.write(vectors["gradients"]!, 0, device.mirror(vectors["gradients"]!));
  const updated = replica.applyUpdate(hyper);
  callsMs.push(submittedMs + performance.now() - updateMs);
  await updated;
}
const { user, system } = process.cpuUsage(before);
const dispatches = step.kernelNames.filter((kernel) => kernel !== undefined).length;
console.log(
  JSON.stringify({
    ...{ model: name, batchSize, kernels: dispatches, inputBytes: x.byteLength },
    calls: summariseTimes(callsMs),
    cpuMs: (user + system) / 1000 / STEPS,
  }),
);
device.destroy();
