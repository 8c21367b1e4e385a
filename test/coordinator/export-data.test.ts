// What is exported and imported again are the same rows, under the same names.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { exportData, type ExportOptions } from "../../src/coordinator/export-data.ts";
import { importData } from "../../src/coordinator/import-data.ts";
import { temporaryFolder } from "../support/cli.ts";
import { emptyStorage } from "../data/load.ts";

const folder = temporaryFolder();
after(folder.remove);
const storage = await emptyStorage();

const onProgress = () => undefined;
const pathOf = (name: string) => join(folder.path, name);

function exported(data: string, name: string, options: Partial<ExportOptions> = {}) {
  const defaults = { format: undefined, split: "all", rows: undefined, seed: 1 } as const;
  return exportData({ ...defaults, storage, data, path: pathOf(name), onProgress, ...options });
}

async function imported(source: string, name: string) {
  const made = await importData({ storage, source, name, read: {}, seed: 1, rows: undefined, onProgress });
  return made.manifest;
}

/** Rows in an order that does not depend on how they were shuffled. */
const linesOf = (name: string) => readFileSync(pathOf(name), "utf8").trimEnd().split("\n").sort();

async function roundTrip(name: string, text: string, extension: string) {
  writeFileSync(pathOf(`${name}-given.${extension}`), text);
  const first = await imported(pathOf(`${name}-given.${extension}`), name);
  const { rows, numberedClasses } = await exported(name, `${name}-out.${extension}`);
  const second = await imported(pathOf(`${name}-out.${extension}`), `${name}-again`);
  await exported(`${name}-again`, `${name}-again.${extension}`);
  assert.deepEqual(linesOf(`${name}-again.${extension}`), linesOf(`${name}-out.${extension}`));
  const facts = ({ featureNames, classNames, featureShape, featureType, task, classes }: typeof first) => ({
    ...{ featureNames, classNames, featureShape, featureType, task, classes },
  });
  assert.deepEqual(facts(second), facts(first));
  return { rows, numberedClasses, lines: linesOf(`${name}-out.${extension}`), first };
}

const times = (count: number, line: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i));

test("a table keeps its columns' and classes' names, commas and quotes in them too", async () => {
  const rows = times(
    30,
    (i) => `${i / 7},${Math.fround(Math.sin(i))},${["red", '"off, white"', '"a ""b"""'][i % 3]}`,
  );
  const { lines, first } = await roundTrip("table", `"size, cm",hue,class\n${rows.join("\n")}\n`, "csv");
  assert.deepEqual(first.classNames, ['a "b"', "off, white", "red"]);
  assert.ok(lines.includes('label,"size, cm",hue'));
  assert.ok(lines.includes(`"off, white",${Math.fround(1 / 7)},${Math.fround(Math.sin(1))}`));
});

test("targets stay targets", async () => {
  const rows = times(30, (i) => `${i},${i % 5},${i + 0.25}`);
  const { lines, first } = await roundTrip("prices", `a,b,target\n${rows.join("\n")}\n`, "csv");
  assert.equal(first.task, "regression");
  assert.ok(lines.includes("7.25,7,2"));
});

test("sparse rows go into LibSVM, with the labels that they came with", async () => {
  const given = times(30, (i) => `${i % 2 === 0 ? 1 : -1} ${1 + (i % 4)}:${0.5 + i} 9:2`);
  const { lines, rows } = await roundTrip("words", `${given.join("\n")}\n`, "libsvm");
  assert.equal(rows, 30);
  assert.deepEqual(lines, given.sort());
  await assert.rejects(exported("words", "words.csv"), {
    code: "data-write",
    message: /words\.csv: expected dense rows in this format, got sparse ones/,
  });
  assert.throws(() => readFileSync(pathOf("words.csv")), { code: "ENOENT" }, "nothing is left of it");
});

test("images and columns of NPY keep shape and type; a class that is no number is told by its place", async () => {
  for (const [twin, featureShape, featureType] of [
    ["mnist", [28, 28, 1], "u8"],
    ["higgs", [28], "f32"],
  ] as const) {
    const { paths, rows } = await exported(`synthetic:${twin}`, `${twin}.npy`, { rows: 40, split: "train" });
    assert.deepEqual([rows, paths.length], [40, 2]);
    const manifest = await imported(pathOf(`${twin}.npy`), `${twin}-npy`);
    assert.deepEqual([manifest.featureShape, manifest.featureType], [featureShape, featureType]);
    await exported(`${twin}-npy`, `${twin}-1.svm`);
    await exported(`synthetic:${twin}`, `${twin}-2.svm`, { rows: 40, split: "train" });
    assert.deepEqual(linesOf(`${twin}-1.svm`), linesOf(`${twin}-2.svm`));
  }
  const { numberedClasses } = await exported("table", "table.npy");
  assert.deepEqual(numberedClasses, ['a "b"', "off, white", "red"]);
});

test("a split is a part of all", async () => {
  const counts = await Promise.all(
    (["train", "validation", "all"] as const).map((split) => exported("words", `${split}.svm`, { split })),
  );
  const [train, validation, all] = counts.map(({ rows }) => rows);
  assert.ok(train! > 0 && validation! > 0);
  assert.equal(train! + validation!, all);
  assert.deepEqual([...linesOf("train.svm"), ...linesOf("validation.svm")].sort(), linesOf("all.svm"));
});

test("a newcomer's mistakes are told with what was meant", async () => {
  writeFileSync(pathOf("poem.txt"), "to be or not to be, that is the question. ".repeat(50));
  await imported(pathOf("poem.txt"), "poem");
  for (const [data, name, message] of [
    ["poem", "poem.csv", /poem: expected rows of features, got tokens of a text/],
    ["synthetic:tinyshakespeare", "poem.csv", /expected rows of features, got tokens of a text/],
    ["words", "words.parquet", /expected a file that ends in \.csv, \.libsvm, \.svm, \.npy, or --format/],
    ["words", "nowhere/words.svm", /words\.svm: expected to write the rows there: ENOENT/],
    ["word", "word.svm", /expected a data set in .*, got "word"/],
  ] as const) {
    await assert.rejects(exported(data, name), { message }, data);
  }
  await assert.rejects(
    exported("words", "words.svm", { rows: 10 }),
    /expected --rows with rows that are made/,
  );
});
