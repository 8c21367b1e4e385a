import assert from "node:assert/strict";
import { test } from "node:test";
import type { Dataset } from "../../src/data/dataset.ts";
import type { DataManifest } from "../../src/data/manifest.ts";
import { importSource } from "../../src/data/partition.ts";
import { leastStreamBytes, RowStream, type StreamedRows } from "../../src/data/row-stream.ts";
import type { RowBlock } from "../../src/data/rows.ts";
import { RandomStream } from "../../src/random.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { classes, emptyStorage, readerOf } from "./load.ts";

const ROWS = 40_000;
const EPOCHS = 2;

/** 1 KiB a row, which begins with the row's number. */
function bytesRows(): RowBlock {
  const features = new Uint8Array(ROWS * 1024);
  const numbers = new Uint32Array(features.buffer);
  for (let row = 0; row < ROWS; row++) numbers[row * 256] = row;
  return { count: ROWS, features, labels: Float64Array.from({ length: ROWS }, (_, row) => row % 10) };
}

/** 50 to 150 non-zeros a row, the first of which is the row's number. */
function sparseRows(): RowBlock {
  const random = new RandomStream(1, "sparse rows");
  const rowStarts = new Uint32Array(ROWS + 1);
  for (let row = 0; row < ROWS; row++) rowStarts[row + 1] = rowStarts[row]! + 50 + random.nextInt(101);
  const columns = new Uint32Array(rowStarts[ROWS]!);
  const values = new Float32Array(columns.length);
  for (let row = 0; row < ROWS; row++) {
    for (let i = rowStarts[row]!; i < rowStarts[row + 1]!; i++) columns[i] = (i - rowStarts[row]!) * 3;
    values[rowStarts[row]!] = row;
  }
  const labels = Float64Array.from({ length: ROWS }, (_, row) => row % 10);
  return { count: ROWS, features: { rowStarts, columns, values }, labels };
}

interface Stored {
  readonly storage: Storage;
  readonly manifest: DataManifest;
}

async function stored(block: RowBlock, width: number): Promise<Stored> {
  const storage = await emptyStorage();
  const labels = classes(10);
  const manifest = await importSource(storage, {
    ...{ name: "rows", source: "a test", inputs: [] },
    open: () => readerOf([block], { labels, featureShape: [width] }),
  });
  return { storage, manifest };
}

const kinds = { bytes: await stored(bytesRows(), 1024), sparse: await stored(sparseRows(), 1000) };

function streamOf(
  { storage, manifest }: Stored,
  part = { begin: 0, end: manifest.counts.train },
  blocks = 1,
) {
  const extra = (2 * (blocks - 1) * leastStreamBytes(manifest, "train")) / 5;
  return new RowStream({
    ...{ storage, manifest, split: "train", rows: part, seed: 7, epochs: EPOCHS },
    memoryBytes: leastStreamBytes(manifest, "train") + extra,
  });
}

/** Numbers of the rows, whose labels are checked. */
function numbersOf({ data, order, begin, end }: StreamedRows): number[] {
  return Array.from(order.subarray(begin, end), (row) => {
    const number = numberOf(data, row);
    assert.equal(data.labels[row], number % 10);
    return number;
  });
}

function numberOf({ features }: Dataset, row: number): number {
  if ("rowStarts" in features) {
    const length = features.rowStarts[row + 1]! - features.rowStarts[row]!;
    assert.ok(length >= 50 && length <= 150);
    return features.values[features.rowStarts[row]!]!;
  }
  return Buffer.from(features.buffer, features.byteOffset + row * 1024).readUInt32LE(0);
}

/** Batches of 777 rows, from position `from` of the epoch on. */
async function epochOf(stream: RowStream, epoch: number, count: number, from = 0): Promise<number[]> {
  const numbers: number[] = [];
  for (let begin = from; begin < count; begin += 777) {
    numbers.push(...numbersOf(await stream.read(epoch, begin, Math.min(count, begin + 777))));
  }
  return numbers;
}

for (const [kind, data] of Object.entries(kinds)) {
  test(`each epoch of a stream of ${kind} has all rows once, in another order that depends on the seed alone`, async () => {
    const { train } = data.manifest.counts;
    const stream = streamOf(data);
    const epochs = [await epochOf(stream, 0, train), await epochOf(stream, 1, train)];
    for (const numbers of epochs) assert.equal(new Set(numbers).size, train);
    assert.notDeepEqual(epochs[0], epochs[1]);
    const again = streamOf(data);
    // Whoever takes over in the middle of an epoch, and one that goes back.
    const from = 777 * 20;
    assert.deepEqual(await epochOf(again, 1, train, from), epochs[1]!.slice(from));
    assert.deepEqual(await epochOf(again, 0, train), epochs[0]);
  });

  test(`a rank streams its own part of ${kind}, whose first and last blocks are others' as well`, async () => {
    const rows = { begin: 9000, end: 23_456 };
    const numbers = await epochOf(streamOf(data, rows), 0, rows.end - rows.begin);
    const whole = await epochOf(streamOf(data), 0, data.manifest.counts.train);
    assert.equal(new Set(numbers).size, rows.end - rows.begin);
    const all = new Set(whole);
    assert.ok(numbers.every((number) => all.has(number)));
  });
}

test("a batch may be larger than a window", async () => {
  const { train } = kinds.bytes.manifest.counts;
  const whole = numbersOf(await streamOf(kinds.bytes).read(0, 0, train));
  assert.deepEqual(whole, await epochOf(streamOf(kinds.bytes), 0, train));
});

test("no more is fetched than two windows hold, and the next one comes before it is asked for", async () => {
  for (const blocks of [1, 2]) {
    const fetched: string[] = [];
    const { storage, manifest } = kinds.bytes;
    const watched: Storage = {
      ...storage,
      get: (ref, into) => (fetched.push(ref.key), storage.get(ref, into)),
    };
    const stream = streamOf({ storage: watched, manifest }, undefined, blocks);
    await stream.read(0, 0, 100);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(fetched.length, 2 * blocks);
    await stream.read(0, 100, 200);
    assert.equal(fetched.length, 2 * blocks);
  }
});

test("a block that is gone is named where its rows are read, not before", async () => {
  const { storage, manifest } = kinds.bytes;
  const broken: Storage = {
    ...storage,
    get: (ref, into) => (ref.key === missing.key ? Promise.resolve(undefined) : storage.get(ref, into)),
  };
  const missing = manifest.blocks.train.at(-1)!;
  const stream = streamOf({ storage: broken, manifest });
  await assert.rejects(epochOf(stream, 0, manifest.counts.train), {
    code: "data-block-missing",
    message: new RegExp(missing.key),
  });
});
