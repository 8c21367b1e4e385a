// A local iteration of logistic regression over sparse rows (gather, gradient, update), as a worker of local-sgd runs it:
// 2^19 features, 39 non-zeros a row, minibatches of 20, as Cirrus trained on Criteo's (Carreira et al. 2019, section 5).
//
//   node bench/steps/sparse-lr.ts

import assert from "node:assert/strict";
import { BatchReader } from "../../src/algorithms/batch-reader.ts";
import { Replica } from "../../src/algorithms/replica.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { hyperAt, optimizerOf } from "../../src/optim/optimizer.ts";
import { RandomStream } from "../../src/random.ts";

const FEATURES = 2 ** 19;
const NON_ZEROS = 39;
const BATCH_SIZE = 20;
const ROWS = 20_000;
const WARM_UP = 500;
const STEPS = 5_000;
const GROUP = 100;
const TARGET_US = 100;

/** Each row has one of FEATURES / NON_ZEROS values in each of its fields; the first field alone decides the label. */
function clicks() {
  const random = new RandomStream(1, "bench:sparse-lr");
  const perField = Math.floor(FEATURES / NON_ZEROS);
  const columns = Uint32Array.from(
    { length: ROWS * NON_ZEROS },
    (_, i) => (i % NON_ZEROS) * perField + random.nextInt(i % NON_ZEROS === 0 ? 50 : perField),
  );
  return {
    features: {
      rowStarts: Uint32Array.from({ length: ROWS + 1 }, (_, row) => row * NON_ZEROS),
      columns,
      values: new Float32Array(columns.length).fill(1 / Math.sqrt(NON_ZEROS)),
    },
    labels: Int32Array.from({ length: ROWS }, (_, row) => columns[row * NON_ZEROS]! % 2),
  };
}

const topology = await loadModel("lr", { inputShape: [FEATURES], outputs: 1 });
const device = await createWasmDevice();
const replica = new Replica({
  ...{ device, loss: "sigmoid-cross-entropy", seed: 1 },
  topology: { ...topology, sparse: { maxRowNonZeros: NON_ZEROS } },
});
const optimizer = optimizerOf({ optimizer: "sgd", lr: 1 });
await replica.useOptimizer(optimizer);
const reader = new BatchReader({
  ...clicks(),
  ...{ featureShape: [FEATURES], transform: { scale: [1], offset: [0] } },
});
const order = new RandomStream(1, "order").permutation(ROWS);
const hyper = hyperAt(optimizer, 0, 1, 1);

let step = 0;
async function iterate(count: number): Promise<number> {
  let correct = 0;
  for (const end = step + count; step < end; step++) {
    const begin = (step * BATCH_SIZE) % ROWS;
    const batch = reader.read(order, begin, begin + BATCH_SIZE, replica.wantsTargets);
    const { sums } = await replica.startLocalStep({ ...batch, step, sampleOffset: 0 }, hyper);
    correct += (await sums).correct;
  }
  return correct / (count * BATCH_SIZE);
}

await iterate(WARM_UP);
const groupUs: number[] = [];
let accuracy = 0;
for (let group = 0; group < STEPS / GROUP; group++) {
  const startedAt = performance.now();
  accuracy = await iterate(GROUP);
  groupUs.push(((performance.now() - startedAt) * 1000) / GROUP);
}
assert.ok(accuracy > 0.95, `the model has learnt nothing: accuracy ${accuracy}`);
groupUs.sort((a, b) => a - b);
const medianUs = groupUs[groupUs.length >> 1]!;
console.log(
  `sparse lr, 2^19 features, ${NON_ZEROS} non-zeros a row, minibatch ${BATCH_SIZE}: ` +
    `${medianUs.toFixed(1)} us an iteration (${groupUs[0]!.toFixed(1)} to ${groupUs.at(-1)!.toFixed(1)}), ` +
    `${Math.round(1e6 / medianUs).toLocaleString("en")} updates/s; target ${TARGET_US} us; accuracy ${(100 * accuracy).toFixed(1)}%`,
);
device.destroy();
