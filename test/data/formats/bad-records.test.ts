// --on-bad-record skip, and the other options of reading, over all formats: what applies is applied, all else refused.

import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { FOLDER_FORMATS, FORMATS } from "../../../src/data/formats/index.ts";
import { openSource } from "../../../src/data/known.ts";
import { temporaryFolder, writeData, writeImages } from "../files.ts";
import { FIXTURES, readPath, readSplits } from "./read-rows.ts";

const fixture = (name: string) => readFileSync(join(FIXTURES, name));
const skip = { onBadRecord: "skip" } as const;
/** Of numpy's float arrays in test/data/fixtures/npy. */
const HEADER_BYTES = 128;

test("rows of arrays that are not finite are left out, and no label of theirs is a class", async (t) => {
  const folder = temporaryFolder(t);
  const features = fixture("npy/x_f4.npy");
  // Of floats, so that a label can be infinite.
  const labels = fixture("npy/y_f4.npy");
  labels.write("f8", labels.indexOf("i8"));
  for (let row = 0; row < 12; row++) labels.writeDoubleLE(row % 3, HEADER_BYTES + 8 * row);
  features.writeFloatLE(NaN, HEADER_BYTES + 4 * (3 * 2 + 1));
  labels.writeDoubleLE(Infinity, HEADER_BYTES + 8 * 7);
  // The one row of class 9 is bad.
  labels.writeDoubleLE(9, HEADER_BYTES + 8 * 2);
  writeData(folder, "y.npy", labels);
  const path = writeData(folder, "X.npy", features);
  await assert.rejects(readPath(path), { code: "data-nan", message: /y\.npy: row 7/ });
  const whole = await readPath(join(FIXTURES, "npy/x_f4.npy"));
  const kept = [0, 1, 3, 4, 5, 6, 8, 9, 10, 11];
  const { rows, labels: left, facts } = await readPath(path, skip);
  assert.deepEqual(
    rows,
    kept.map((row) => whole.rows[row]),
  );
  assert.deepEqual(
    left,
    kept.map((row) => row % 3),
  );
  assert.deepEqual([facts.skippedRecords, facts.labels], [2, { kind: "classes", values: [0, 1, 2] }]);
  const byColumn = await readPath(path, { ...skip, labelColumn: "1" });
  assert.deepEqual([byColumn.rows.length, byColumn.facts.skippedRecords], [11, 1]);
});

test("records of CIFAR whose label is no class are left out", async (t) => {
  const records = Buffer.alloc(30 * 3073);
  for (let r = 0; r < 30; r++)
    records.fill(r, r * 3073 + 1, (r + 1) * 3073)[r * 3073] = r === 25 ? 77 : r % 10;
  const path = writeData(temporaryFolder(t), "batch.bin", records);
  await assert.rejects(readPath(path), { code: "data-label", message: /record 25: .* got 77/ });
  const { rows, labels, facts } = await readPath(path, skip);
  assert.deepEqual([labels.length, facts.skippedRecords], [29, 1]);
  assert.deepEqual([rows[24]![0], rows[25]![0], labels[25]], [24, 26, 6]);
});

test("rows of a Parquet table that lack a value are left out", async () => {
  const { rows, labels, facts } = await readPath(join(FIXTURES, "parquet/nulls.parquet"), skip);
  const kept = Array.from({ length: 50 }, (_, row) => row).filter((row) => row !== 31);
  assert.deepEqual(
    rows,
    kept.map((row) => [row]),
  );
  assert.deepEqual(
    labels,
    kept.map((row) => row % 3),
  );
  assert.equal(facts.skippedRecords, 1);
});

test("a TFRecord with a wrong checksum is left out, one with a damaged length ends the import", async (t) => {
  const folder = temporaryFolder(t);
  const bytes = fixture("tfrecord/numbers.tfrecord");
  const whole = await readPath(writeData(folder, "whole", bytes));
  const first = 16 + Number(bytes.readBigUInt64LE(0));
  const damaged = Buffer.from(bytes);
  damaged[first + 20]! ^= 1;
  const { rows, facts } = await readPath(writeData(folder, "damaged", damaged), skip);
  assert.deepEqual(
    rows,
    whole.rows.filter((_, row) => row !== 1),
  );
  assert.equal(facts.skippedRecords, 1);
  damaged[first + 1]! ^= 1;
  await assert.rejects(readPath(writeData(folder, "lost", damaged), skip), {
    code: "data-damaged",
    message: /lost: record 1: expected a length with its checksum/,
  });
  await assert.rejects(readPath(join(folder, "whole"), { ...skip, imageSize: [4, 4] }), {
    code: "data-options",
    message: /expected no --image-size for records of numbers/,
  });
});

test("an image that is damaged anywhere is left out", async (t) => {
  const folder = temporaryFolder(t);
  cpSync(join(FIXTURES, "images/rgb"), folder, { recursive: true });
  const png = readFileSync(join(folder, "train/cat/1.png"));
  writeFileSync(join(folder, "train/cat/1.png"), png.subarray(0, png.length / 2));
  writeFileSync(join(folder, "train/dog/0.png"), png.with(png.length - 20, png[png.length - 20]! ^ 1));
  writeFileSync(join(folder, "val/dog/1.png"), "");
  const { train, validation } = await readSplits(folder, skip);
  assert.deepEqual([train.labels, train.facts.skippedRecords], [[0, 0, 1, 1], 2]);
  assert.deepEqual([validation.labels, validation.facts.skippedRecords], [[0, 1], 1]);
});

test("options that mean nothing for a format are refused, with the formats that they are for", async (t) => {
  const images = writeImages(temporaryFolder(t));
  for (const read of [skip, { labelColumn: "0" }, { hashBits: 8 }, { contextLength: 8 }] as const) {
    await assert.rejects(readPath(images, read), {
      code: "data-options",
      message: /images-idx3-ubyte, which is idx: expected nothing of how to read it, got --/,
    });
  }
  await assert.rejects(readPath(join(FIXTURES, "npy/x_f4.npy"), { imageSize: [4, 4], hashBits: 4 }), {
    code: "data-options",
    message:
      /which is npy: .*at most --on-bad-record skip, --label-column, --label-kind, got --image-size, --hash-bits$/,
    suggestions: [
      "Leave it out: it would change nothing.",
      "It is for tfrecord, image-folder.",
      "It is for csv.",
    ],
  });
  assert.equal((await readPath(images, { onBadRecord: "fail" })).rows.length, 10);
  await assert.rejects(readPath(images, { format: "cvs" }), {
    code: "data-format",
    message: /^expected a format \(npy, .*csv\), got "cvs"$/,
  });
  // Which formats cannot leave out a record: their bytes cannot be wrong one by one.
  const without = [...FORMATS, ...FOLDER_FORMATS].filter(({ takes }) => !takes.includes("onBadRecord"));
  assert.deepEqual(
    without.map(({ name }) => name),
    ["idx", "text", "idx-folder"],
  );
});

test("names of data sets take no options that they have no use for", async () => {
  for (const [spec, read, got] of [
    ["mnist", { imageSize: [14, 14] }, "--image-size"],
    ["fashion-mnist:/nowhere", skip, "--on-bad-record skip"],
    ["random-binary:100", { format: "csv" }, "a format"],
    ["synthetic:higgs", { labelColumn: "3" }, "--label-column"],
    ["synthetic:tinyshakespeare", { hashBits: 3 }, "--hash-bits"],
    ["higgs", { labelColumn: "3" }, "--label-column"],
    ["cifar10:/nowhere", { format: "idx" }, "a format"],
  ] as const) {
    await assert.rejects(openSource(spec, { seed: 1, read }), (error: Error) => {
      assert.ok(error.message.endsWith(`, got ${got}`), error.message);
      return true;
    });
  }
});

test("an option that stands in a file for other data changes nothing, not even what is recognised", async () => {
  const open = (read: object) =>
    openSource("synthetic:tinyshakespeare", { seed: 1, rows: 10, read, isAsked: () => false });
  assert.deepEqual((await open({ hashBits: 4 })).inputs, (await open({})).inputs);
  assert.notDeepEqual((await open({ contextLength: 4 })).inputs, (await open({})).inputs);
  const path = join(FIXTURES, "npy/x_f4.npy");
  const source = await openSource(path, { seed: 1, read: { hashBits: 4 }, isAsked: () => false });
  assert.deepEqual(source.inputs, (await openSource(path, { seed: 1 })).inputs);
});
