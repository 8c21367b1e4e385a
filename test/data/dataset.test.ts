import assert from "node:assert/strict";
import { test } from "node:test";
import { createDataset, splitTable, standardisation, type Table } from "../../src/data/dataset.ts";

/** Row i is [i mod 256, i div 256], its label i mod 3. */
function numbered(count: number): Table {
  const features = new Uint8Array(2 * count).map((_, k) => (k % 2 === 0 ? k / 2 : k >> 9));
  const labels = Int32Array.from({ length: count }, (_, i) => i % 3);
  return { featureShape: [2], features, labels, classes: 3 };
}

function rowNumbers({ features }: Table): number[] {
  return Array.from({ length: features.length / 2 }, (_, i) => features[2 * i]! + 256 * features[2 * i + 1]!);
}

test("a split is disjoint, complete and the same every time", () => {
  const { train, validation } = splitTable(numbered(1000), "numbers");
  assert.deepEqual([rowNumbers(train).length, rowNumbers(validation).length], [900, 100]);
  const all = [...rowNumbers(train), ...rowNumbers(validation)].sort((a, b) => a - b);
  assert.deepEqual(all, [...Array(1000).keys()]);
  assert.deepEqual(splitTable(numbered(1000), "numbers"), { train, validation });
});

test("a split mixes sorted rows, so that any run of them is a fair sample", () => {
  const rows = rowNumbers(splitTable(numbered(1000), "numbers").train);
  const mean = rows.slice(0, 300).reduce((sum, row) => sum + row, 0) / 300;
  assert.ok(Math.abs(mean - 500) < 60, String(mean));
});

test("validation gets a tenth of the rows, at least one and at most ten thousand", () => {
  for (const [count, expected] of [
    [2, 1],
    [11, 2],
    [100, 10],
    [120_000, 10_000],
  ] as const) {
    assert.equal(splitTable(numbered(count), "numbers").validation.labels.length, expected);
  }
  assert.throws(() => splitTable(numbered(1), "numbers"), { code: "data-too-small", message: /got 1$/ });
});

test("bytes are standardised over all values, a constant is only centred", () => {
  const table = { ...numbered(2), features: Uint8Array.of(1, 3, 1, 3) };
  assert.deepEqual(standardisation(table), { scale: [1], offset: [-2] });
  assert.deepEqual(standardisation({ ...table, features: Uint8Array.of(5, 5, 5, 5) }), {
    scale: [1],
    offset: [-5],
  });
});

test("the content hash tells apart names, values, labels and the two splits, but not sources", () => {
  const tables = splitTable(numbered(20), "numbers");
  const hash = (name = "a", source = "s", changed: Partial<Record<"train" | "validation", Table>> = {}) =>
    createDataset(name, source, { ...tables, ...changed }).train.contentHash;
  const relabelled = { ...tables.train, labels: tables.train.labels.map((label) => 2 - label) as Int32Array };
  assert.equal(hash("a", "elsewhere"), hash());
  const hashes = [
    hash(),
    hash("b"),
    hash("a", "s", { train: relabelled }),
    hash("a", "s", { train: tables.validation, validation: tables.train }),
    hash("a", "s", {
      validation: { ...tables.validation, features: tables.validation.features.map((x) => x + 1) },
    }),
  ];
  assert.equal(new Set(hashes).size, hashes.length);
});
