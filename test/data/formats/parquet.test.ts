import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder, writeData } from "../files.ts";
import { FIXTURES, readPath } from "./read-rows.ts";

const fixture = (name: string) => join(FIXTURES, "parquet", name);

/** As make.py's parquet(): f32, f64, int64 and boolean columns. */
const expected = Array.from({ length: 50 }, (_, r) => [r, r + 1 / 8, r * 8 + 2, r % 2 === 0 ? 1 : 0]);
const thirds = Array.from({ length: 50 }, (_, r) => r % 3);

test("tables of pyarrow's are read, however their pages are packed", async () => {
  for (const name of ["none", "snappy", "gzip", "zstd", "brotli", "plain-v2"]) {
    const { facts, rows, labels } = await readPath(fixture(`${name}.parquet`));
    assert.deepEqual(rows, expected, name);
    assert.deepEqual(labels, thirds, name);
    assert.deepEqual(facts, {
      featureShape: [4],
      featureType: "f32",
      labels: { kind: "classes", values: [0, 1, 2] },
      featureNames: ["a", "b", "c", "d"],
      skippedRecords: 0,
    });
  }
});

test("the label may be names, targets, or a column that the user says", async () => {
  const names = await readPath(fixture("names.parquet"), { labelColumn: "species" });
  assert.ok(names.facts.labels.kind === "classes");
  assert.deepEqual(names.facts.labels.names, ["setosa", "virginica"]);
  const { values } = names.facts.labels;
  assert.deepEqual(
    names.labels.map((label) => values.indexOf(label)),
    thirds.map((_, r) => r % 2),
  );
  assert.deepEqual(names.rows, expected);

  const targets = await readPath(fixture("targets.parquet"));
  assert.deepEqual(targets.facts.labels, { kind: "targets" });
  assert.equal(targets.labels[7], 7 + 3 / 8);

  const other = await readPath(fixture("zstd.parquet"), { labelColumn: "d" });
  assert.deepEqual(other.facts.featureNames, ["a", "b", "c", "label"]);
  assert.deepEqual(other.facts.labels, { kind: "classes", values: [0, 1] });
});

test("types without a meaning as features are refused by name, all at once", async () => {
  await assert.rejects(readPath(fixture("odd.parquet")), {
    code: "data-type",
    message:
      /odd\.parquet: expected columns of numbers, got "when" \(TIMESTAMP\w*\), "who" \(\w+\), "list" \(nested values\)/,
  });
  await assert.rejects(readPath(fixture("lz4.parquet")), {
    code: "data-type",
    message: /expected pages packed by one of UNCOMPRESSED, SNAPPY, GZIP, ZSTD, BROTLI, got LZ4/,
  });
  await assert.rejects(readPath(fixture("zstd.parquet"), { labelColumn: "labl" }), {
    code: "data-columns",
    message: /expected a label column among a, b, c, d, label, got "labl"/,
    suggestions: ["Did you mean --label-column label?"],
  });
});

test("a value that is not there names column and row", async () => {
  await assert.rejects(readPath(fixture("nulls.parquet")), {
    code: "data-nan",
    message: /nulls\.parquet: column "a", row 31: expected a finite f32 number, got nothing/,
  });
});

test("a file that is cut is refused", async (t) => {
  const bytes = readFileSync(fixture("zstd.parquet"));
  const path = writeData(temporaryFolder(t), "cut.parquet", bytes.subarray(0, bytes.length - 100));
  await assert.rejects(readPath(path), {
    code: "data-damaged",
    message: /cut\.parquet: expected a whole Parquet file, got one that is cut or broken/,
  });
});
