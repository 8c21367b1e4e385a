// A process of its own that opens an adapter, trains one step of LeNet-5, and ends: prints the loss. See
// process-starts.ts.

import { Replica } from "../../src/algorithms/replica.ts";
import { openDevice } from "../../src/device/open-device.ts";
import { defaultLoss } from "../../src/models/build.ts";
import { modelExamples } from "../shapes/model-examples.ts";

const [adapter, batch] = process.argv.slice(2);
const batchSize = Number(batch);
const { topology } = modelExamples().find(({ model }) => model.name === "lenet5")!;
const device = await openDevice({ device: "webgpu", adapter });
const replica = new Replica({ device, topology, loss: defaultLoss(topology), seed: 1 });
const { loss } = await replica.runTraining({
  count: batchSize,
  x: new Float32Array(batchSize * 28 * 28).map((_, i) => (i % 7) / 7),
  labels: new Int32Array(batchSize).map((_, i) => i % 10),
  step: 0,
  sampleOffset: 0,
});
console.log(loss);
device.destroy();
