import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Replica } from "../../../src/algorithms/replica.ts";
import { createWasmDevice } from "../../../src/device/wasm/wasm-device.ts";
import { builtinModels } from "../../../src/models/builtin.ts";
import type { Topology } from "../../../src/models/topology.ts";
import { hyperAt, optimizerOf } from "../../../src/optim/optimizer.ts";
import { RandomStream } from "../../../src/random.ts";

const BATCH_SIZE = 23;
const STEPS = 3;
/** Enough for helper threads to have started. */
const START_MS = 80;
const io = { inputShape: [28, 28, 1], outputs: 10 };

/** Parameters after some steps of training: a device that has measured nothing yet shares out all but the smallest kernels. */
async function trained(topology: Topology, threads: number): Promise<Float32Array> {
  const device = await createWasmDevice({ threads });
  const replica = new Replica({ device, topology, loss: "softmax-cross-entropy", seed: 1 });
  const rule = { optimizer: "momentum", lr: 0.05, momentum: 0.9, weightDecay: 0 } as const;
  const optimizer = optimizerOf({
    ...{ ...rule, beta2: 0.999, epsilon: 1e-8, schedule: "constant", warmupSteps: 0 },
  });
  await replica.useOptimizer(optimizer);
  if (threads > 1) await setTimeout(START_MS);
  const random = new RandomStream(1, "thread bits");
  const elements = io.inputShape.reduce((product, extent) => product * extent, BATCH_SIZE);
  for (let step = 0; step < STEPS; step++) {
    const x = Float32Array.from({ length: elements }, () => random.nextUniform());
    const labels = Int32Array.from({ length: BATCH_SIZE }, () => random.nextInt(io.outputs));
    await replica.runTraining({ count: BATCH_SIZE, x, labels, step, sampleOffset: 0 });
    await replica.applyUpdate(hyperAt(optimizer, step, STEPS));
  }
  const parameters = (await replica.read("parameters")).slice();
  device.destroy();
  return parameters;
}

/** Dense layers, small convolutions, and all that a residual network adds. */
const MODELS = ["mlp", "lenet5", "feng-a", "resnet20"];

for (const { name, topology } of builtinModels.filter((model) => MODELS.includes(model.name)))
  test(`${name} trains to equal bits on 1, 2 and 3 threads`, async () => {
    const alone = await trained(topology(io), 1);
    assert.ok(alone.every(Number.isFinite));
    for (const threads of [2, 3]) {
      const together = await trained(topology(io), threads);
      assert.deepEqual(new Int32Array(together.buffer), new Int32Array(alone.buffer), `${threads} threads`);
    }
  });
