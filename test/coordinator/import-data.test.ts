import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { importData, type ImportOptions } from "../../src/coordinator/import-data.ts";
import { describeData } from "../../src/coordinator/describe-data.ts";
import { findNamed } from "../../src/data/catalogue.ts";
import { openStorage } from "../../src/storage/open.ts";
import { dataReport } from "../../src/ui/data-report.ts";
import { temporaryFolder, writeData } from "../data/files.ts";

const ROWS = Array.from({ length: 20 }, (_, i) => `${i},${i % 2}`).join("\n");

async function workplace(t: TestContext) {
  const folder = temporaryFolder(t);
  const storage = await openStorage(`fs:${join(folder, "store")}`);
  t.after(() => storage.close());
  const bringIn = (source: string, options: Partial<ImportOptions> = {}) =>
    importData({
      ...{ storage, source, name: undefined, read: {}, seed: 1, rows: undefined },
      onProgress: () => undefined,
      ...options,
    });
  return { folder, storage, bringIn };
}

test("a data set is called as its file, without what says how that is packed and written", async (t) => {
  const { folder, storage, bringIn } = await workplace(t);
  cpSync(join(import.meta.dirname, "../data/fixtures/packed/rows.bz2"), join(folder, "rows.csv.bz2"));
  for (const [file, name] of [
    ["_a b.CSV", "a-b"],
    ["1.tar.csv.gz", "1.tar"],
    [`${"x".repeat(80)}.tsv`, "x".repeat(64)],
  ] as const) {
    assert.equal((await bringIn(writeData(folder, file, ROWS))).name, name);
  }
  const { name, manifest, trainWith } = await bringIn(join(folder, "rows.csv.bz2"));
  assert.deepEqual([name, trainWith], ["rows", "rows"]);
  assert.equal((await findNamed(storage, "rows"))?.id, manifest.id);
});

test("a known data set without a name is trained on as it was imported", async (t) => {
  const { storage, bringIn } = await workplace(t);
  const made = await bringIn("synthetic:higgs", { rows: 50, seed: 7 });
  assert.deepEqual([made.name, made.trainWith], ["synthetic:higgs", "synthetic:higgs --rows 50 --seed 7"]);
  const named = await bringIn("synthetic:higgs", { rows: 50, seed: 7, name: "twin" });
  assert.deepEqual([named.wasThere, named.trainWith], [true, "twin"]);
  assert.equal((await findNamed(storage, "twin"))?.id, made.manifest.id);
});

test("rows of tokens are shown as what they say", async (t) => {
  const { folder, storage, bringIn } = await workplace(t);
  const text = 'To be,\tor "not" to be:\nthat is. '.repeat(40);
  const { name } = await bringIn(writeData(folder, "hamlet.txt", text), { read: { contextLength: 30 } });
  const described = await describeData(storage, name, 3);
  const page = dataReport(described, 80);
  assert.equal(described.samples.length, 3);
  for (const sample of described.samples) {
    assert.ok(sample.text!.length === 31 && text.includes(sample.text!), sample.text);
    assert.ok(page.includes(`\n${JSON.stringify(sample.text)}`), page);
  }
  assert.match(page, /^labels +18 tokens: "\\t\\n \\",\.:Tabehinorst"/m);
  // Bytes, and a row that ends amid a character.
  const wide = Array.from({ length: 600 }, (_, i) => String.fromCodePoint(0x4e00 + (i % 300))).join("");
  const bytes = await bringIn(writeData(folder, "wide.txt", wide), { read: { contextLength: 30 } });
  const [row] = (await describeData(storage, bytes.name, 1)).samples;
  assert.match(row!.text!, /[\u4e00-\u4f2b]{8}/);
});

test("a name that nobody gave is not taken from other rows, and the same rows may lie elsewhere", async (t) => {
  const { folder, bringIn } = await workplace(t);
  const first = await bringIn(writeData(folder, "rows.csv", ROWS));
  const other = temporaryFolder(t);
  const again = await bringIn(writeData(other, "rows.csv", ROWS));
  assert.deepEqual([again.wasThere, again.manifest.id], [true, first.manifest.id]);
  await assert.rejects(bringIn(writeData(other, "rows.csv", `${ROWS}\n1,1`)), {
    code: "data-name",
    message: /expected a name that is free, got rows, which means the data of .*rows\.csv$/,
  });
  await assert.rejects(bringIn(join(folder, "rows.csv"), { name: "mnist" }), {
    code: "data-name",
    message: '--name: expected a name that no known data set has, got "mnist"',
  });
  await assert.rejects(bringIn("rows"), {
    code: "data-name",
    message:
      /^rows: expected a path or the name of a known data set, got the name of one that fs:.* has already$/,
  });
});
