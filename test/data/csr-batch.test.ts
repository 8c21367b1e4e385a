import assert from "node:assert/strict";
import { test } from "node:test";
import { BatchReader } from "../../src/algorithms/batch-reader.ts";
import type { CsrBatch } from "../../src/data/csr-batch.ts";

// Rows [1, 0, 2], [], [0, 3, 0, 7]; the last has a feature more than the model.
const features = {
  rowStarts: Uint32Array.of(0, 2, 2, 4),
  columns: Uint32Array.of(0, 2, 1, 3),
  values: Float32Array.of(1, 2, 3, 7),
};
const labels = Int32Array.of(4, 5, 6);
const order = Uint32Array.of(2, 1, 0);

test("sparse rows come in the order asked for, scaled, and as sparse as they are", () => {
  const transform = { scale: [10, 100, 1000], offset: [0, 0, 0] };
  const reader = new BatchReader({ features, labels, featureShape: [3], transform });
  const { x, labels: read } = reader.read(order, 0, 3, false);
  const { values, columns, rowStarts } = x as CsrBatch;
  assert.deepEqual([...rowStarts], [0, 2, 2, 4]);
  assert.deepEqual([...columns], [1, 3, 0, 2]);
  assert.deepEqual([...values], [300, 7, 10, 2000]);
  assert.deepEqual([...read], [6, 5, 4]);
});

test("with an offset they come dense, zeros and all, without the features that the model has not", () => {
  const transform = { scale: [10, 100, 1000], offset: [-1, -2, -3] };
  const reader = new BatchReader({ features, labels, featureShape: [3], transform });
  const { x } = reader.read(order, 0, 3, true);
  assert.deepEqual([...(x as Float32Array)], [-1, 298, -3, -1, -2, -3, 9, -2, 1997]);
});
