import assert from "node:assert/strict";
import { test } from "node:test";
import { readdirSync } from "node:fs";
import { readManifest, statisticsKey } from "../../../src/data/manifest.ts";
import { importSource } from "../../../src/data/partition.ts";
import type { CsrRows, RowBlock, SourceRows } from "../../../src/data/rows.ts";
import type { Source } from "../../../src/data/source.ts";
import { ImportThreads } from "../../../src/data/threads/import-threads.ts";
import { RandomStream } from "../../../src/random.ts";
import { temporaryFolder } from "../files.ts";
import { classes, dense, emptyStorage, loadSource, loadSplits, readerOf, type Splits } from "../load.ts";

/** Row i is [i mod 256, i div 256], its label i mod 3. */
function numbered(count: number): RowBlock {
  return {
    count,
    features: new Uint8Array(2 * count).map((_, k) => (k % 2 === 0 ? k / 2 : k >> 9)),
    labels: Float64Array.from({ length: count }, (_, i) => i % 3),
  };
}

const source = (rows: SourceRows, name = "rows"): Source => ({
  ...{ name, source: "a test", inputs: [name], open: () => rows },
});
const numbers = (count: number) => source(readerOf([numbered(count)], { labels: classes(3) }));

function rowNumbers({ features }: Splits["train"]): number[] {
  const values = dense(features);
  return Array.from({ length: values.length / 2 }, (_, i) => values[2 * i]! + 256 * values[2 * i + 1]!);
}

test("a split is disjoint, complete and the same every time", async () => {
  const { train, validation } = await loadSource(numbers(1000));
  assert.deepEqual([train.count, validation.count], [900, 100]);
  const all = [...rowNumbers(train), ...rowNumbers(validation)].sort((a, b) => a - b);
  assert.deepEqual(all, [...Array(1000).keys()]);
  assert.deepEqual(await loadSource(numbers(1000)), { train, validation });
});

test("a split mixes sorted rows, so that any run of them is a fair sample", async () => {
  const rows = rowNumbers((await loadSource(numbers(1000))).train);
  const mean = rows.slice(0, 300).reduce((sum, row) => sum + row, 0) / 300;
  assert.ok(Math.abs(mean - 500) < 60, String(mean));
});

test("validation gets a tenth of the rows, at least one and at most ten thousand", async () => {
  for (const [count, expected] of [
    [2, 1],
    [11, 2],
    [100, 10],
    [120_000, 10_000],
  ] as const) {
    assert.equal((await loadSource(numbers(count))).validation.count, expected);
  }
  await assert.rejects(loadSource(numbers(1)), { code: "data-too-small", message: /got 1$/ });
});

/** Sparse rows of 0 to 9 non-zeros in 1,000 columns, in blocks of 100. */
function sparse(count: number): RowBlock[] {
  const stream = new RandomStream(count, "sparse");
  return Array.from({ length: count / 100 }, () => {
    const rowStarts = new Uint32Array(101);
    const columns: number[] = [];
    for (let row = 0; row < 100; row++) {
      const own = new Set(Array.from({ length: stream.nextInt(10) }, () => stream.nextInt(1000)));
      columns.push(...[...own].sort((a, b) => a - b));
      rowStarts[row + 1] = columns.length;
    }
    const values = Float32Array.from(columns, () => stream.nextNormal());
    return {
      count: 100,
      features: { rowStarts, columns: Uint32Array.from(columns), values },
      labels: Float64Array.from({ length: 100 }, () => stream.nextNormal()),
    };
  });
}

/** Seven features around 100, in blocks of 100 rows. */
const floats = (count: number, Type: typeof Float32Array | typeof Float16Array) =>
  Array.from({ length: count / 100 }, (_, block): RowBlock => {
    const stream = new RandomStream(block, "floats");
    return {
      count: 100,
      features: new Type(700).map(() => 100 + stream.nextNormal()),
      labels: Float64Array.from({ length: 100 }, () => stream.nextInt(5)),
    };
  });

const kinds = {
  csr: () => readerOf(sparse(3000), { labels: { kind: "targets" }, featureShape: [1000] }),
  f32: () => readerOf(floats(3000, Float32Array), { labels: classes(5) }),
  f16: () => readerOf(floats(3000, Float16Array), { labels: classes(5) }),
  u8: () => readerOf([numbered(1500), numbered(1500)], { labels: classes(3) }),
  "u8 without labels": () =>
    readerOf(
      [numbered(1500), numbered(1500)].map((block) => ({ ...block, labels: new Float64Array(0) })),
      { labels: { kind: "next-token", vocabulary: ["a", "b"] } },
    ),
};

for (const [kind, reader] of Object.entries(kinds)) {
  test(`rows of ${kind} are the same whether they fit into memory or go to disk, and leave nothing there`, async (t) => {
    const spillFolder = temporaryFolder(t);
    const inMemory = await loadSource(source(reader()));
    for (const memoryBytes of [1000, 10_000]) {
      assert.deepEqual(await loadSource(source(reader()), { memoryBytes, spillFolder }), inMemory);
    }
    assert.deepEqual(readdirSync(spillFolder), []);
    assert.equal(inMemory.train.count + inMemory.validation.count, 3000);
  });
}

test("sparse rows come back as they were, whatever their order", async () => {
  const rowsOf = ({ rowStarts, columns, values }: CsrRows, labels: ArrayLike<number>) =>
    Array.from({ length: labels.length }, (_, row) => {
      const at = [rowStarts[row]!, rowStarts[row + 1]!] as const;
      return `${Math.fround(labels[row]!)}: ${columns.slice(...at).join()} ${values.slice(...at).join()}`;
    });
  const { train, validation } = await loadSource(source(kinds.csr()));
  const given = sparse(3000).flatMap(({ features, labels }) => rowsOf(features as CsrRows, labels));
  const stored = [train, validation].flatMap(({ features, labels }) => rowsOf(features as CsrRows, labels));
  assert.deepEqual(stored.sort(), given.sort());
});

test("sparse rows of which half the places are filled are stored dense, and standardised like columns", async () => {
  const nearlyFull = (nonZeros: number): RowBlock => ({
    count: 10,
    features: {
      rowStarts: Uint32Array.from({ length: 11 }, (_, row) => row * nonZeros),
      columns: Uint32Array.from({ length: 10 * nonZeros }, (_, i) => 3 - nonZeros + (i % nonZeros)),
      values: Float32Array.from({ length: 10 * nonZeros }, (_, i) => 1 + i),
    },
    labels: new Float64Array(10),
  });
  const reader = (nonZeros: number) =>
    readerOf([nearlyFull(nonZeros)], { labels: { kind: "targets" }, featureShape: [3] });
  const full = (await loadSource(source(reader(2)))).train;
  assert.ok(full.features instanceof Float32Array && full.transform.scale.length === 3);
  const rows = Array.from({ length: 9 }, (_, row) => [
    ...dense(full.features).subarray(3 * row, 3 * row + 3),
  ]);
  assert.ok(rows.every(([zero, one, two]) => zero === 0 && two! - one! === 1 && one! % 2 === 1));
  assert.equal(new Set(rows.map(([, one]) => one)).size, 9);
  const sparse = (await loadSource(source(reader(1)))).train;
  assert.ok("rowStarts" in sparse.features);
  assert.deepEqual(sparse.transform, { scale: [1], offset: [0] });
});

test("rows that are scattered in memory, or then have to go to disk, come in the same order as those that are held", async () => {
  const { importRows } = await import("../../../src/data/import/import-rows.ts");
  const imported = async (sourceBytes: number, memoryBytes: number) => {
    const storage = await emptyStorage();
    const job = { storage, id: "0", name: "rows", source: "a test", rows: kinds.csr(), sourceBytes };
    return (await importRows(job, { memoryBytes })).contentHash;
  };
  const held = await imported(0, 2 ** 30);
  assert.equal(await imported(2 ** 27, 2 ** 30), held);
  assert.equal(await imported(2 ** 26, 2 ** 26 + 1), held);
  assert.equal(await imported(2 ** 20, 1000), held);
});

test("threads sort rows of any form as this thread does, sparse ones that are mostly full as dense ones too", async () => {
  const { importRows } = await import("../../../src/data/import/import-rows.ts");
  const threads = new ImportThreads(2);
  try {
    for (const reader of [...Object.values(kinds), mostlyFull]) {
      const imported = async (sorters?: ImportThreads) => {
        const storage = await emptyStorage();
        const job = { storage, id: "0", name: "rows", source: "a test", rows: reader() };
        const sizes = { sourceBytes: sorters ? 2 ** 27 : 0 };
        const options = { memoryBytes: 2 ** 30, threads: sorters };
        const { contentHash, featureType } = await importRows({ ...job, ...sizes }, options);
        return { contentHash, featureType };
      };
      assert.deepEqual(await imported(threads), await imported());
    }
  } finally {
    await threads.close();
  }
});

/** Three columns, of which a row lacks one. */
function mostlyFull(): SourceRows {
  const count = 300;
  const features = {
    rowStarts: Uint32Array.from({ length: count + 1 }, (_, row) => 2 * row),
    columns: Uint32Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? 0 : 1 + ((i >> 1) % 2))),
    values: Float32Array.from({ length: 2 * count }, (_, i) => i + 1),
  };
  const labels = Float64Array.from({ length: count }, (_, row) => row % 2);
  return readerOf([{ count, features, labels }], { labels: classes(2), featureShape: [3] });
}

test("a source's own split is kept, and each part of it shuffled", async () => {
  const rows = {
    train: readerOf([numbered(500)], { labels: classes(3) }),
    validation: readerOf([numbered(40)], { labels: classes(3) }),
  };
  const { train, validation } = await loadSource(source(rows));
  for (const [part, count] of [
    [train, 500],
    [validation, 40],
  ] as const) {
    assert.notDeepEqual(rowNumbers(part), [...Array(count).keys()]);
    assert.deepEqual(
      rowNumbers(part).sort((a, b) => a - b),
      [...Array(count).keys()],
    );
  }
});

test("a validation label that no training row has is refused by its name", async () => {
  const reader = (...names: string[]) =>
    readerOf([numbered(6)], {
      labels: { kind: "classes", values: [0, 1, 2, 3].slice(0, names.length), names },
    });
  const rows = { train: reader("a", "b", "c"), validation: reader("a", "b", "c", "d") };
  await assert.rejects(loadSource(source(rows)), { code: "data-label", message: /3 classes .*, got d$/ });
});

/** Minimum, maximum, mean and deviation of a list, plainly. */
function plain(values: readonly number[]) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  return { min: Math.min(...values), max: Math.max(...values), mean, deviation };
}

test("statistics are those of the training rows, and what a sparse row leaves out is zero", async () => {
  for (const [reader, columns] of [
    [kinds.f32, 7],
    [kinds.f16, 7],
    [kinds.csr, 1000],
  ] as const) {
    const storage = await emptyStorage();
    const manifest = await importSource(storage, source(reader()));
    const { train } = await loadSplits(storage, manifest);
    const bytes = await storage.get({ key: statisticsKey(manifest.id) });
    const got = JSON.parse(Buffer.from(bytes!).toString()) as Record<
      keyof ReturnType<typeof plain>,
      number[]
    >;
    const table = Array.from({ length: columns }, () => new Array<number>(train.count).fill(0));
    const { features } = train;
    for (let row = 0; row < train.count; row++) {
      if (!("rowStarts" in features)) {
        for (let c = 0; c < columns; c++) table[c]![row] = features[row * columns + c]!;
        continue;
      }
      for (let i = features.rowStarts[row]!; i < features.rowStarts[row + 1]!; i++) {
        table[features.columns[i]!]![row] = features.values[i]!;
      }
    }
    table.forEach((column, c) => {
      for (const [name, value] of Object.entries(plain(column)) as [keyof typeof got, number][]) {
        assert.ok(Math.abs(got[name][c]! - value) < 1e-9, `${name} of ${c}: ${got[name][c]}, not ${value}`);
      }
    });
  }
});

test("bytes are standardised over all values, a constant is only centred", async () => {
  const rows = (...values: number[]) => ({
    train: readerOf([{ count: 2, features: Uint8Array.from(values), labels: new Float64Array(2) }], {
      labels: classes(1),
    }),
    validation: readerOf([numbered(2)], { labels: classes(1) }),
  });
  const transform = async (...values: number[]) => {
    const given = rows(...values);
    const labelled = { ...numbered(2), labels: new Float64Array(2) };
    return (await loadSource(source({ ...given, validation: readerOf([labelled], { labels: classes(1) }) })))
      .train.transform;
  };
  assert.deepEqual(await transform(1, 3, 1, 3), { scale: [1], offset: [-2] });
  assert.deepEqual(await transform(5, 5, 5, 5), { scale: [1], offset: [-5] });
});

test("columns whose values are large and close together are standardised all the same", async () => {
  const values = Float32Array.from({ length: 4000 }, (_, i) => 2 ** 23 + (i % 2));
  const block = { count: 4000, features: values, labels: new Float64Array(4000) };
  const { transform } = (await loadSource(source(readerOf([block], { labels: classes(1) })))).train;
  assert.ok(Math.abs(transform.scale[0]! - 2) < 0.01, String(transform.scale));
});

test("the content hash tells apart names, values, labels and the two splits, but not sources", async () => {
  const hash = async (
    change: { name?: string; source?: string; block?: Partial<RowBlock>; swap?: boolean } = {},
  ) => {
    const { name = "a", source: from = "s", block = {}, swap = false } = change;
    const parts = [
      readerOf([{ ...numbered(20), ...block }], { labels: classes(3) }),
      readerOf([numbered(10)], { labels: classes(3) }),
    ] as const;
    const rows = { train: parts[swap ? 1 : 0], validation: parts[swap ? 0 : 1] };
    return (await loadSource({ ...source(rows, name), source: from })).train.contentHash;
  };
  const first = numbered(20);
  const hashes = [
    await hash(),
    await hash({ name: "b" }),
    await hash({ block: { labels: first.labels.map((label) => 2 - label) } }),
    await hash({ block: { features: dense(first.features).map((x) => x + 1) } }),
    await hash({ swap: true }),
  ];
  assert.equal(new Set(hashes).size, hashes.length);
  assert.equal(await hash({ source: "elsewhere" }), hashes[0]);
});

test("the manifest counts classes, the longest row and what was skipped", async () => {
  const storage = await emptyStorage();
  const reader = readerOf([numbered(1000)], {
    ...{ labels: { kind: "classes", values: [2, 0, 1], names: ["c", "a", "b"] }, skippedRecords: 7 },
    featureNames: ["low", "high"],
  });
  const manifest = await importSource(storage, source(reader));
  assert.deepEqual(await readManifest(storage, manifest.id), manifest);
  const { train, validation } = manifest.classCounts;
  assert.deepEqual(
    train.map((count, i) => count + validation[i]!),
    [333, 334, 333],
  );
  assert.deepEqual(manifest.classNames, ["c", "a", "b"]);
  assert.deepEqual([manifest.skippedRecords, manifest.featureNames], [7, ["low", "high"]]);
  const csr = await importSource(storage, source(kinds.csr(), "csr"));
  assert.equal(csr.maxRowNonZeros, 9);
});

test("a disk that is smaller than the source is named before anything is written to it", async (t) => {
  const spillFolder = temporaryFolder(t);
  const storage = await emptyStorage();
  const { importRows } = await import("../../../src/data/import/import-rows.ts");
  const job = { storage, id: "0", name: "large", source: "a test", rows: kinds.u8(), sourceBytes: 2 ** 60 };
  await assert.rejects(importRows(job, { memoryBytes: 1000, spillFolder }), {
    code: "disk-full",
    message: /expected at least .* to shuffle rows on disk, got /,
  });
  assert.deepEqual(readdirSync(spillFolder), []);
});
