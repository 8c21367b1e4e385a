// A model over sparse rows against the same model over the same rows, written out with their zeros.

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { BatchReader } from "../../src/algorithms/batch-reader.ts";
import { Replica } from "../../src/algorithms/replica.ts";
import type { CsrRows } from "../../src/data/rows.ts";
import type { Device } from "../../src/device/device.ts";
import { createReferenceDevice } from "../../src/device/reference/reference-device.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import type { LossName } from "../../src/models/build.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { hyperAt, optimizerOf } from "../../src/optim/optimizer.ts";
import { RandomStream } from "../../src/random.ts";

const ROWS = 24;
const FEATURES = 37;
const MAX_NON_ZEROS = 6;
const LR = 0.1;

/** Rows of 0 to MAX_NON_ZEROS non-zeros. */
function sparseRows(): CsrRows {
  const random = new RandomStream(1, "sparse-rows");
  const rows = Array.from({ length: ROWS }, (_, row) => {
    const columns = random.permutation(FEATURES).subarray(0, row % (MAX_NON_ZEROS + 1));
    return [...columns].sort((a, b) => a - b);
  });
  let end = 0;
  const rowStarts = Uint32Array.from([0, ...rows.map(({ length }) => (end += length))]);
  return {
    rowStarts,
    columns: Uint32Array.from(rows.flat()),
    values: Float32Array.from({ length: end }, () => random.nextNormal()),
  };
}

function withZeros({ rowStarts, columns, values }: CsrRows): Float32Array {
  const dense = new Float32Array(ROWS * FEATURES);
  for (let row = 0; row < ROWS; row++)
    for (let i = rowStarts[row]!; i < rowStarts[row + 1]!; i++)
      dense[row * FEATURES + columns[i]!] = values[i]!;
  return dense;
}

const features = sparseRows();
const order = new RandomStream(2, "order").permutation(ROWS);
const models: readonly { name: string; loss: LossName; classes: number }[] = [
  { name: "lr", loss: "sigmoid-cross-entropy", classes: 2 },
  { name: "softmax", loss: "softmax-cross-entropy", classes: 4 },
  { name: "svm", loss: "hinge", classes: 3 },
  { name: "mlp", loss: "softmax-cross-entropy", classes: 3 },
];

const devices: readonly (readonly [name: string, create: () => Device | Promise<Device>])[] = [
  ["reference", () => createReferenceDevice({ precision: "f32" })],
  ["wasm", () => createWasmDevice()],
];

for (const [deviceName, create] of devices)
  for (const { name, loss, classes } of models) {
    suite(`${name} on sparse rows, on the ${deviceName} device`, () => {
      let device: Device;
      before(async () => {
        device = await create();
      });
      after(() => device.destroy());

      /** The replica and its batch of all rows, in another order than that of the data. */
      async function open(isSparse: boolean, weights?: readonly number[]) {
        const topology = await loadModel(name, {
          inputShape: [FEATURES],
          outputs: classes === 2 ? 1 : classes,
        });
        const replica = new Replica({
          ...{ device, loss, seed: 3, classWeights: weights?.slice(0, classes) },
          topology: isSparse ? { ...topology, sparse: { maxRowNonZeros: MAX_NON_ZEROS } } : topology,
        });
        await replica.useOptimizer(optimizerOf({ optimizer: "sgd", lr: LR }));
        const reader = new BatchReader({
          features: isSparse ? features : withZeros(features),
          labels: Int32Array.from({ length: ROWS }, (_, row) => row % classes),
          featureShape: [FEATURES],
          transform: { scale: [0.5], offset: [0] },
        });
        const samples = reader.read(order, 2, ROWS, replica.wantsTargets);
        return { replica, batch: { ...samples, step: 0, sampleOffset: 0 } };
      }

      const close = (got: Float32Array, expected: Float32Array) => {
        assert.equal(got.length, expected.length);
        got.forEach((value, i) => {
          assert.ok(Math.abs(value - expected[i]!) < 2e-5, `[${i}]: ${value} but ${expected[i]} with zeros`);
        });
      };

      test("loss, right answers, gradients and predictions are those of the rows with their zeros", async () => {
        const [sparse, dense] = [await open(true), await open(false)];
        const sums = await sparse.replica.runTraining(sparse.batch);
        const expected = await dense.replica.runTraining(dense.batch);
        assert.ok(Math.abs(sums.loss - expected.loss) < 1e-4);
        assert.equal(sums.correct, expected.correct);
        close(await sparse.replica.read("gradients"), await dense.replica.read("gradients"));
        const { count } = sparse.batch;
        const evaluated = await sparse.replica.runEvaluation(sparse.batch);
        assert.equal(evaluated.correct, expected.correct);
        close(
          (await sparse.replica.runPrediction(count, sparse.batch.x)).slice(),
          (await dense.replica.runPrediction(count, dense.batch.x)).slice(),
        );
      });

      test("three local steps, which make no gradient of all features, end where those on dense rows end", async () => {
        const optimizer = optimizerOf({ optimizer: "sgd", lr: LR });
        const ends = [];
        for (const isSparse of [true, false]) {
          const { replica, batch } = await open(isSparse, [1, 3, 0.5, 2]);
          for (let step = 0; step < 3; step++)
            await (
              await replica.startLocalStep(batch, hyperAt(optimizer, step, 3))
            ).sums;
          ends.push((await replica.read("parameters")).slice());
        }
        close(ends[0]!, ends[1]!);
      });
    });
  }

test("a layer that is no Dense is refused on sparse rows, with its name", async () => {
  const topology = await loadModel("lr", { inputShape: [5, 5], outputs: 1 });
  const { buildModel } = await import("../../src/models/build.ts");
  assert.throws(() => buildModel({ ...topology, sparse: { maxRowNonZeros: 3 } }, 2, { training: false }), {
    code: "model-sparse",
    message: /Flatten layer "flatten"/,
  });
});
