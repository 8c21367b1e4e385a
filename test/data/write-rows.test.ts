import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { RowBlock } from "../../src/data/rows.ts";
import { openTwin } from "../../src/data/twins/index.ts";
import { writeRows } from "../../src/data/write-rows.ts";
import { temporaryFolder } from "./files.ts";

async function firstBlock(name: string, rows: number): Promise<RowBlock> {
  for await (const block of openTwin(name, { seed: 1, split: "train", rows }).read()) return block;
  throw new Error("no block");
}

test("CSV and LibSVM hold the same f32 numbers, to the last bit", async (t) => {
  const folder = temporaryFolder(t);
  const { features, labels } = await firstBlock("higgs", 50);
  const reader = () => openTwin("higgs", { seed: 1, split: "train", rows: 50 });
  const csv = join(folder, "higgs.csv");
  assert.equal((await writeRows(reader(), "csv", csv)).rows, 50);
  const lines = readFileSync(csv, "utf8").trimEnd().split("\n");
  assert.match(lines[0]!, /^label,x1,.*,x28$/);
  const numbers = lines.slice(1).map((line) => line.split(",").map(Number));
  assert.deepEqual(
    numbers.map((row) => row[0]),
    [...labels],
  );
  assert.deepEqual(
    numbers.flatMap((row) => row.slice(1)),
    [...(features as Float32Array)],
  );

  const svm = join(folder, "higgs.svm");
  await writeRows(reader(), "libsvm", svm);
  const dense = new Float32Array(50 * 28);
  readFileSync(svm, "utf8")
    .trimEnd()
    .split("\n")
    .forEach((line, row) => {
      const [label, ...pairs] = line.split(" ");
      assert.equal(Number(label), labels[row]);
      for (const pair of pairs) {
        const [column, value] = pair.split(":").map(Number);
        dense[row * 28 + column! - 1] = value!;
      }
    });
  assert.deepEqual(dense, features);
});

test("NPY has a header that numpy takes, and the rows behind it", async (t) => {
  const path = join(temporaryFolder(t), "images.npy");
  const { features, labels } = await firstBlock("mnist", 20);
  const reader = openTwin("mnist", { seed: 1, split: "train", rows: 20 });
  const { paths, bytes } = await writeRows(reader, "npy", path);
  const [images, classes] = paths.map((file) => readFileSync(file));
  assert.equal(images!.toString("latin1", 0, 8), "\x93NUMPY\x01\x00");
  assert.equal(images!.readUInt16LE(8), 118);
  assert.match(
    images!.toString("latin1", 10, 128),
    /^\{'descr': '\|u1', 'fortran_order': False, 'shape': \(20, 28, 28, 1\), \} +\n$/,
  );
  assert.deepEqual(new Uint8Array(images!.subarray(128)), features);
  assert.match(classes!.toString("latin1", 10, 128), /'descr': '<f8'.*'shape': \(20,\)/);
  assert.deepEqual(new Float64Array(new Uint8Array(classes!.subarray(128)).buffer), labels);
  assert.equal(bytes, images!.length + classes!.length);
});

test("sparse rows are refused by dense formats", async (t) => {
  const path = join(temporaryFolder(t), "rcv1.csv");
  const reader = openTwin("rcv1", { seed: 1, split: "train", rows: 5 });
  await assert.rejects(writeRows(reader, "csv", path), {
    code: "data-write",
    message: /rcv1\.csv: expected dense rows in this format, got sparse ones/,
  });
});
