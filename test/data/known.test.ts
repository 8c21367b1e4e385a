import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { KNOWN_DATASETS, openSource } from "../../src/data/known.ts";
import { fashionMnistSource } from "../../src/data/sources/fashion-mnist.ts";
import { temporaryFolder, writeImages } from "./files.ts";
import { loadDataset, loadSource } from "./load.ts";

const DEBIAN = "/usr/share/datasets/fashion-mnist";

test("mnist is 9,000 and 1,000 digits with MNIST's own mean and deviation", async () => {
  const { train, validation } = await loadDataset("mnist", { seed: 1 });
  assert.deepEqual(
    [train.count, validation.count, train.classes, train.featureShape],
    [9000, 1000, 10, [28, 28, 1]],
  );
  assert.ok(train.features instanceof Uint8Array);
  const { scale, offset } = train.transform;
  assert.ok(Math.abs(1 / scale[0]! / 255 - 0.308) < 0.003, String(scale));
  assert.ok(Math.abs(-offset[0]! / scale[0]! / 255 - 0.1307) < 0.003, String(offset));
  const perDigit = Array<number>(10).fill(0);
  for (const label of [...train.labels, ...validation.labels]) perDigit[label]!++;
  assert.deepEqual(perDigit, [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]);
});

test("mnist is split in the same way whatever the seed", async () => {
  const [one, two] = await Promise.all([1, 2].map((seed) => loadDataset("mnist", { seed })));
  assert.equal(one!.train.contentHash, two!.train.contentHash);
});

test(
  "fashion-mnist is 60,000 and 10,000 articles, 7,000 of each class",
  {
    skip:
      !existsSync(DEBIAN) && "needs Debian's dataset-fashion-mnist: apt-get install dataset-fashion-mnist",
  },
  async () => {
    const { train, validation } = await loadDataset("fashion-mnist", { seed: 1 });
    assert.deepEqual(
      [train.count, validation.count, train.classes, train.featureShape],
      [60_000, 10_000, 10, [28, 28, 1]],
    );
    const perClass = Array<number>(10).fill(0);
    for (const labels of [train.labels, validation.labels]) for (const label of labels) perClass[label]!++;
    assert.deepEqual(perClass, Array(10).fill(7000));
  },
);

test("fashion-mnist is read from a folder that is given, or else from the first place that has it", async (t) => {
  const folder = temporaryFolder(t);
  writeImages(folder, "train", ".gz");
  writeImages(folder, "t10k", ".gz");
  const { train } = await loadDataset(`fashion-mnist:${folder}`, { seed: 1 });
  assert.deepEqual([train.name, train.source, train.classes], ["fashion-mnist", folder, 10]);
  const source = await fashionMnistSource(undefined, undefined, ["/nowhere", folder]);
  assert.equal((await loadSource(source)).train.contentHash, train.contentHash);
});

test("random-binary refuses what is no number of rows", async () => {
  for (const rows of ["", "x", "1.5", "9", "-100", "1e9"]) {
    await assert.rejects(openSource(`random-binary:${rows}`, { seed: 1 }), { code: "data-argument" });
  }
});

test("an unknown name is answered with the nearest one and the list", async () => {
  await assert.rejects(loadDataset("fashion-minst", { seed: 1 }), {
    code: "data-unknown",
    message:
      /^expected a data set \(mnist, fashion-mnist, .*synthetic\) or a path to one, got "fashion-minst"$/,
    suggestions: [
      "Did you mean --data fashion-mnist?",
      "Give the path of a file or folder: CSV, LibSVM, IDX, NumPy, Parquet, TFRecord, CIFAR or images.",
    ],
  });
  const far = await loadDataset("imagenet", { seed: 1 }).catch(
    (error: unknown) => error as { suggestions: string[] },
  );
  assert.ok("suggestions" in far && far.suggestions.length === 1);
  for (const name of ["constructor", "__proto__", ""]) {
    await assert.rejects(loadDataset(name, { seed: 1 }), { code: "data-unknown" });
  }
});

test("a path that does not exist is missing, not unknown", async () => {
  await assert.rejects(loadDataset("./nothing.csv", { seed: 1 }), {
    code: "data-missing",
    message: /^\.\/nothing\.csv/,
  });
});

test("an argument is refused where there is none to give", async () => {
  await assert.rejects(loadDataset("mnist:5", { seed: 1 }), {
    code: "data-argument",
    suggestions: ["Write --data mnist"],
  });
});

test("a folder is no known data set because of its name", async (t) => {
  const folder = join(temporaryFolder(t), "mnist");
  mkdirSync(folder);
  await assert.rejects(loadDataset(folder, { seed: 1 }), {
    code: "data-missing",
    message: /an empty folder$/,
  });
});

test("every known data set says what it is, where from and under which licence", () => {
  for (const known of Object.values(KNOWN_DATASETS)) {
    for (const text of [known.description, known.origin, known.licence]) assert.ok(text.length > 2);
  }
});

test("a twin has as many rows as are asked for, and a tenth of them to validate on", async () => {
  const { train, validation } = await loadDataset("synthetic:higgs", { seed: 1, rows: 500 });
  assert.deepEqual(
    [train.name, train.count, validation.count, train.classes, train.featureShape],
    ["synthetic:higgs", 500, 50, 2, [28]],
  );
  assert.ok(train.features instanceof Float32Array);
  const other = await loadDataset("synthetic:higgs", { seed: 2, rows: 500 });
  assert.notEqual(other.train.contentHash, train.contentHash);
});

test("twins of images and of sparse rows are data sets too", async () => {
  const images = await loadDataset("synthetic:cifar10", { seed: 1, rows: 40 });
  assert.deepEqual([images.train.featureShape, images.train.classNames?.[3]], [[32, 32, 3], "cat"]);
  const words = await loadDataset("synthetic:rcv1", { seed: 1, rows: 40 });
  assert.ok("rowStarts" in words.train.features);
});

test("the twin of tinyshakespeare is a text in its characters, in rows of the context's length", async () => {
  const read = { contextLength: 20 };
  const { train, validation } = await loadDataset("synthetic:tinyshakespeare", { seed: 1, rows: 90, read });
  assert.deepEqual([train.count, validation.count, train.featureShape], [90, 10, [21]]);
  assert.ok(train.features instanceof Uint8Array);
  const characters = train.classNames!;
  assert.match(characters.join(""), /^[\n !$&',.:;?A-Za-z-]+$/);
  const rows = Array.from({ length: 90 }, (_, row) =>
    [...(train.features as Uint8Array).subarray(row * 21, row * 21 + 21)].map((c) => characters[c]).join(""),
  );
  assert.ok(
    rows.some((row) => /[A-Z]+:\n[A-Z][a-z]/.test(row)),
    "a speaker and a line",
  );
  const longer = await loadDataset("synthetic:tinyshakespeare", { seed: 1, rows: 900, read });
  assert.equal(longer.train.count, 900);
});

test("rows are asked for of data sets that are made only", async (t) => {
  const made = await loadDataset("random-binary", { seed: 1, rows: 50 });
  assert.equal(made.train.count, 50);
  await assert.rejects(loadDataset("mnist", { seed: 1, rows: 50 }), {
    code: "data-argument",
    suggestions: ["Train on made rows of the same shape: --data synthetic:mnist --rows 50"],
  });
  await assert.rejects(loadDataset(temporaryFolder(t), { seed: 1, rows: 50 }), {
    code: "data-argument",
    suggestions: ["Leave --rows out: all rows are read."],
  });
  await assert.rejects(loadDataset("synthetic", { seed: 1 }), { code: "data-argument" });
});
