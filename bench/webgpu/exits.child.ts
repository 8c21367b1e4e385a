// One process of exits.ts.

import { Replica } from "../../src/algorithms/replica.ts";
import { openDevice } from "../../src/device/open-device.ts";
import { defaultLoss } from "../../src/models/build.ts";
import { dense, sequential } from "../../src/models/compose.ts";
import { hyperAt, optimizerOf } from "../../src/optim/optimizer.ts";

const [adapter, leaves] = process.argv.slice(2);
const device = await openDevice({ device: "webgpu", ...(adapter ? { adapter } : {}) });
const topology = sequential("exits", [8], [dense(4, "relu"), dense(2, "softmax")]);
const replica = new Replica({ device, topology, loss: defaultLoss(topology), seed: 1 });
const optimizer = optimizerOf({ optimizer: "sgd", lr: 0.1 });
await replica.useOptimizer(optimizer);
const batch = {
  count: 4,
  x: new Float32Array(32).fill(1),
  labels: new Int32Array(4),
  step: 0,
  sampleOffset: 0,
};
await replica.runTraining(batch);
await replica.applyUpdate(hyperAt(optimizer, 0, 1));
if (leaves !== "true") device.destroy();
