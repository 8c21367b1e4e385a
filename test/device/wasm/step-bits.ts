// The bits of whole training steps. As a program it prints, for each model and each width of tile, the SHA-256 of the
// gradients of its second step, so that a test can compare processes with different flags.

import { createHash } from "node:crypto";
import { Replica } from "../../../src/algorithms/replica.ts";
import { createWasmDevice } from "../../../src/device/wasm/wasm-device.ts";
import { narrowWasmTarget } from "../../../src/device/wasm/target.ts";
import { builtinModels } from "../../../src/models/builtin.ts";
import { RandomStream } from "../../../src/random.ts";

const MODELS = ["mlp", "lenet5", "cifar-cnn", "resnet20"];
const STEPS = 2;
const BATCH_SIZE = 5;

async function gradientHash(model: string, wide: boolean): Promise<string> {
  const { relaxedSimd } = narrowWasmTarget();
  const device = await createWasmDevice({ target: { relaxedSimd, wide } });
  const io = { inputShape: model === "cifar-cnn" ? [24, 24, 3] : [28, 28, 1], outputs: 10 };
  const topology = builtinModels.find(({ name }) => name === model)!.topology(io);
  const replica = new Replica({ device, topology, loss: "softmax-cross-entropy", seed: 1 });
  const random = new RandomStream(1, "step bits");
  const elements = io.inputShape.reduce((product, extent) => product * extent, BATCH_SIZE);
  for (let step = 0; step < STEPS; step++) {
    const x = Float32Array.from({ length: elements }, () => random.nextUniform());
    const labels = Int32Array.from({ length: BATCH_SIZE }, () => random.nextInt(io.outputs));
    await replica.runTraining({ count: BATCH_SIZE, x, labels, step, sampleOffset: 0 });
  }
  return createHash("sha256")
    .update(await replica.read("gradients"))
    .digest("hex");
}

for (const model of MODELS)
  for (const wide of [false, true]) console.log(model, await gradientHash(model, wide));
