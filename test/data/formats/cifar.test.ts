import assert from "node:assert/strict";
import { test } from "node:test";
import { idx, IDX_U8, temporaryFolder, writeData, writeImages } from "../files.ts";
import { readPath, readSplits } from "./read-rows.ts";

const PLANE = 1024;

/** Records with these label bytes; pixel p of channel c in record r is (r + 3 p + 80 c) modulo 256. */
function cifar(labels: readonly (readonly number[])[]): Buffer {
  return Buffer.concat(
    labels.map((bytes, r) =>
      Buffer.from([
        ...bytes,
        ...Array.from(
          { length: 3 * PLANE },
          (_, i) => (r + 3 * (i % PLANE) + 80 * Math.floor(i / PLANE)) & 255,
        ),
      ]),
    ),
  );
}

/** The same in rows of height, width, channel. */
const expectedRow = (r: number) =>
  Array.from({ length: 3 * PLANE }, (_, i) => (r + 3 * Math.floor(i / 3) + 80 * (i % 3)) & 255);

test("a CIFAR-10 file is known by its labels, and its planes become pixels", async (t) => {
  const path = writeData(temporaryFolder(t), "anything", cifar([[3], [9], [0]]));
  const { facts, rows, labels } = await readPath(path);
  assert.deepEqual(facts.featureShape, [32, 32, 3]);
  assert.equal(facts.featureType, "u8");
  assert.deepEqual(labels, [3, 9, 0]);
  assert.deepEqual(rows, [0, 1, 2].map(expectedRow));
  assert.deepEqual(facts.labels, { kind: "classes", values: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] });
});

test("a CIFAR-100 file is told by its second label, the fine one", async (t) => {
  const path = writeData(
    temporaryFolder(t),
    "anything",
    cifar([
      [19, 99],
      [0, 45],
      [12, 3],
    ]),
  );
  const { facts, rows, labels } = await readPath(path);
  assert.deepEqual(labels, [99, 45, 3]);
  assert.deepEqual(rows[1], expectedRow(1));
  assert.ok(facts.labels.kind === "classes" && facts.labels.values.length === 100);
});

test("a folder has its own split and the names of its classes", async (t) => {
  const folder = temporaryFolder(t);
  writeData(folder, "data_batch_1.bin", cifar([[1], [2]]));
  writeData(folder, "data_batch_2.bin", cifar([[3]]));
  writeData(folder, "test_batch.bin", cifar([[4]]));
  const names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
  writeData(folder, "batches.meta.txt", `${names.join("\n")}\n\n`);
  const { train, validation } = await readSplits(folder);
  assert.deepEqual(train.labels, [1, 2, 3]);
  assert.deepEqual(train.rows, [0, 1, 0].map(expectedRow));
  assert.deepEqual(validation.labels, [4]);
  assert.ok(train.facts.labels.kind === "classes");
  assert.deepEqual(train.facts.labels.names, names);
});

test("a file of CIFAR that is cut or has another label names the record", async (t) => {
  const folder = temporaryFolder(t);
  const cut = writeData(folder, "cut.bin", cifar([[1], [2]]).subarray(0, 5000));
  await assert.rejects(readPath(cut, { format: "cifar" }), {
    code: "data-truncated",
    message: /cut\.bin: record 1: expected 3073 bytes, got 1927/,
  });
  // The wrong label lies behind what is looked at to tell the format.
  const labels = Array.from({ length: 25 }, (_, r) => [r === 23 ? 10 : r % 10]);
  const wrong = writeData(folder, "wrong.bin", cifar(labels));
  await assert.rejects(readPath(wrong), {
    code: "data-label",
    message: /wrong\.bin: record 23: expected a label in 0\.\.9 of CIFAR-10, got 10/,
  });
  await assert.rejects(readPath(writeData(folder, "empty.bin", ""), { format: "cifar" }), {
    code: "data-truncated",
    message: /record 0: expected 3073 bytes, got an empty file/,
  });
});

test("black IDX images are not taken for CIFAR's", async (t) => {
  const folder = temporaryFolder(t);
  assert.equal((await readPath(writeImages(folder))).labels.length, 10);
  const black = writeData(
    folder,
    "black-images-idx3-ubyte",
    idx(IDX_U8, [4, 40, 40], new Array<number>(6400).fill(0)),
  );
  writeData(folder, "black-labels-idx1-ubyte", idx(IDX_U8, [4], [0, 1, 0, 1]));
  assert.deepEqual((await readPath(black)).facts.featureShape, [40, 40, 1]);
});
