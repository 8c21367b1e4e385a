import assert from "node:assert/strict";
import { readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { idx, IDX_F32, IDX_I8, IDX_I16, IDX_U8, temporaryFolder, writeData, writeImages } from "./files.ts";
import { dense, loadDataset } from "./load.ts";

const load = (path: string) => loadDataset(path, { seed: 1 });

for (const suffix of ["", ".gz"]) {
  test(`an IDX file${suffix && " in gzip"} gives every row once, with its own label`, async (t) => {
    const { train, validation } = await load(writeImages(temporaryFolder(t), "train", suffix));
    assert.deepEqual(train.featureShape, [2, 2, 1]);
    assert.deepEqual([train.task, train.classes, train.count, validation.count], ["classification", 3, 9, 1]);
    const rows = [train, validation].flatMap(({ features, labels }) =>
      Array.from(labels, (label, i) => {
        const pixel = dense(features)[4 * i]!;
        assert.equal(label, pixel % 3);
        return pixel;
      }),
    );
    assert.deepEqual(
      rows.sort((a, b) => a - b),
      [...Array(10).keys()],
    );
  });
}

test("the content tells that a file is packed, not its name", async (t) => {
  const folder = temporaryFolder(t);
  const path = writeImages(folder, "train", ".gz");
  const renamed = join(folder, "train-images-idx3-ubyte");
  writeFileSync(renamed, readFileSync(path));
  assert.equal((await load(renamed)).train.count, 9);
});

test("a folder with training and test files keeps its own split", async (t) => {
  const folder = temporaryFolder(t);
  writeImages(folder, "train", ".gz");
  writeImages(folder, "t10k");
  const { train, validation } = await load(folder);
  for (const { count, features, labels } of [train, validation]) {
    assert.equal(count, 10);
    const pixels = dense(features).filter((_, i) => i % 4 === 0);
    assert.deepEqual([...pixels].sort(), [...Array(10).keys()]);
    assert.deepEqual(
      [...labels],
      Array.from(pixels, (pixel) => pixel % 3),
    );
  }
});

test("floats in rank 2 with float labels are a regression", async (t) => {
  const folder = temporaryFolder(t);
  const path = writeData(folder, "images-idx2", idx(IDX_F32, [3, 2], [1, 2, 3, 4, 5, 6]));
  writeData(folder, "labels-idx1", idx(IDX_F32, [3], [0.5, 1.5, 2.5]));
  const { train, validation } = await load(path);
  assert.deepEqual([train.task, train.classes, train.featureShape], ["regression", 0, [2]]);
  assert.deepEqual([...train.labels, ...validation.labels].sort(), [0.5, 1.5, 2.5]);
});

test("16-bit images become floats", async (t) => {
  const folder = temporaryFolder(t);
  const path = writeData(folder, "images-idx3", idx(IDX_I16, [2, 1, 2], [-300, 300, -300, 300]));
  writeData(folder, "labels-idx1", idx(IDX_U8, [2], [0, 1]));
  assert.deepEqual([...dense((await load(path)).train.features)], [-300, 300]);
});

test("a truncated file is named with the record in which it ends", async (t) => {
  const path = writeImages(temporaryFolder(t));
  truncateSync(path, 16 + 4 * 6 + 3);
  await assert.rejects(load(path), {
    code: "data-truncated",
    message: `${path}: expected 10 records (10 x 2 x 2: 40 bytes), got 27 bytes: the file ends in record 6`,
  });
  truncateSync(path, 9);
  await assert.rejects(load(path), { code: "data-truncated" });
});

test("a truncated and a broken gzip file are told apart", async (t) => {
  const path = writeImages(temporaryFolder(t), "train", ".gz");
  const packed = readFileSync(path);
  writeFileSync(path, packed.subarray(0, packed.length - 12));
  await assert.rejects(load(path), {
    code: "data-truncated",
    message: /train-images.*unexpected end of file/,
  });
  packed[packed.length - 8]! ^= 1;
  writeFileSync(path, packed);
  await assert.rejects(load(path), { code: "data-damaged", message: /train-images.*incorrect data check/ });
});

test("bytes behind the last record are refused", async (t) => {
  const path = writeImages(temporaryFolder(t));
  writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.alloc(1)]));
  await assert.rejects(load(path), { code: "data-size" });
});

test("wrong magic is shown in hexadecimal", async (t) => {
  const path = writeImages(temporaryFolder(t));
  const bytes = readFileSync(path);
  for (const [at, value, shown] of [
    [0, 0xff, "ff 00 08 03"],
    [2, 0x07, "00 00 07 03"],
    [3, 0, "00 00 08 00"],
  ] as const) {
    const wrong = Buffer.from(bytes);
    wrong[at] = value;
    writeFileSync(path, wrong);
    await assert.rejects(load(path), { code: "data-magic", message: new RegExp(`got ${shown}$`) });
  }
});

test("NaN and infinity are named by record and element", async (t) => {
  const folder = temporaryFolder(t);
  const path = writeData(folder, "images-idx2", idx(IDX_F32, [3, 2], [1, 2, 3, NaN, 5, 6]));
  writeData(folder, "labels-idx1", idx(IDX_U8, [3], [0, 1, 1]));
  await assert.rejects(load(path), {
    code: "data-nan",
    message: /images-idx2: record 1, element 1: .* got NaN$/,
  });
});

test("a label out of range is named by file and record", async (t) => {
  const folder = temporaryFolder(t);
  const path = writeImages(folder);
  writeData(folder, "train-labels-idx1-ubyte", idx(IDX_I8, [10], [0, 1, 2, -1, 0, 0, 0, 0, 0, 0]));
  await assert.rejects(load(path), {
    code: "data-label",
    message: /train-labels-idx1-ubyte: record 3: expected a label in 0\.\.2, got -1$/,
  });
});

test("a validation label that training never saw is out of range", async (t) => {
  const folder = temporaryFolder(t);
  writeImages(folder);
  writeImages(folder, "t10k");
  writeData(folder, "t10k-labels-idx1-ubyte", idx(IDX_U8, [10], [0, 1, 2, 0, 0, 0, 0, 0, 0, 3]));
  await assert.rejects(load(folder), {
    code: "data-label",
    message: /t10k-labels.*record 9.*0\.\.2, got 3$/,
  });
});

test("labels that are too few, missing or cannot be found are named", async (t) => {
  const folder = temporaryFolder(t);
  const path = writeImages(folder);
  writeData(folder, "train-labels-idx1-ubyte", idx(IDX_U8, [9], Array(9).fill(0) as number[]));
  await assert.rejects(load(path), { code: "data-count", message: /expected 10 labels.*got 9$/ });
  rmSync(join(folder, "train-labels-idx1-ubyte"));
  await assert.rejects(load(path), {
    code: "data-missing",
    message: /expected train-labels-idx1-ubyte beside it/,
  });
  const nameless = writeData(folder, "pictures", idx(IDX_U8, [1, 1], [0]));
  await assert.rejects(load(nameless), { code: "data-missing", message: /expected a name with "images"/ });
});

test("a folder whose splits differ in shape is refused", async (t) => {
  const folder = temporaryFolder(t);
  writeImages(folder);
  writeImages(folder, "t10k");
  writeData(folder, "t10k-images-idx3-ubyte", idx(IDX_U8, [10, 1, 1], Array(10).fill(0) as number[]));
  await assert.rejects(load(folder), { code: "data-shape", message: /2 x 2 x 1 .* got 1 x 1 x 1/ });
});

test("a folder without test files says what is missing and what is there", async (t) => {
  const folder = temporaryFolder(t);
  writeImages(folder);
  await assert.rejects(load(folder), {
    code: "data-missing",
    message: /expected t10k-images-idx3-ubyte\(\.gz\), got train-images-idx3-ubyte, train-labels-idx1-ubyte$/,
  });
});
