import assert from "node:assert/strict";
import { test } from "node:test";
import { manifestKey, readManifest, statisticsKey } from "../../src/data/manifest.ts";
import { evenPart } from "../../src/data/order.ts";
import { ensurePartitions, importSource } from "../../src/data/partition.ts";
import { loadBytes, openPartitions } from "../../src/data/reader.ts";
import type { RowBlock } from "../../src/data/rows.ts";
import type { Source } from "../../src/data/source.ts";
import { RandomStream } from "../../src/random.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { temporaryFolder, writeData, writeImages } from "./files.ts";
import { classes, dense, emptyStorage, loadSource, readerOf } from "./load.ts";

/** Rows of 1 KiB, so that 10,000 of them need three blocks. */
function bytesBlock(count: number): RowBlock {
  const stream = new RandomStream(count, "bytes");
  const words = Uint32Array.from({ length: count * 256 }, () => stream.nextU32());
  const labels = Float64Array.from({ length: count }, () => stream.nextInt(10));
  return { count, features: new Uint8Array(words.buffer), labels };
}

const large: Source = {
  ...{ name: "bytes", source: "a test", inputs: [] },
  open: () => ({
    train: readerOf([bytesBlock(10_000)], { labels: classes(10), featureShape: [32, 32, 1] }),
    validation: readerOf([bytesBlock(300)], { labels: classes(10), featureShape: [32, 32, 1] }),
  }),
};
const loaded = await loadSource(large);

const floats: Source = {
  ...{ name: "floats", source: "a test", inputs: [] },
  open: () => {
    const part = (...values: number[]) => ({
      count: 2,
      features: Float32Array.from(values),
      labels: Float64Array.of(-0, 1e-40),
    });
    return {
      train: readerOf([part(1, -0, 3e38, 1e-45)], { labels: { kind: "targets" } }),
      validation: readerOf([part(5, 6, 7, 8)], { labels: { kind: "targets" } }),
    };
  },
};

test("what is written is read back bit for bit", async () => {
  const { train } = await loadSource(floats);
  const bits = (values: Float32Array) => [...new Uint32Array(values.buffer)].sort();
  assert.deepEqual(bits(dense(train.features) as Float32Array), bits(Float32Array.of(1, -0, 3e38, 1e-45)));
  assert.deepEqual(bits(train.labels as Float32Array), bits(Float32Array.of(-0, 1e-40)));
  assert.deepEqual([loaded.train.count, loaded.validation.count], [10_000, 300]);
});

test("any range of rows is read from the blocks that hold it, and from no other", async () => {
  const storage = await emptyStorage();
  const manifest = await importSource(storage, large);
  const read: string[] = [];
  const watched: Storage = { ...storage, get: (ref, into) => (read.push(ref.key), storage.get(ref, into)) };
  for (let rank = 0; rank < 7; rank++) {
    const rows = evenPart(loaded.train.count, rank, 7);
    const part = await openPartitions(watched, manifest, "train", { rows });
    assert.equal(part.count, rows.end - rows.begin);
    assert.deepEqual(part.labels, loaded.train.labels.slice(rows.begin, rows.end));
    assert.deepEqual(part.features, dense(loaded.train.features).slice(rows.begin * 1024, rows.end * 1024));
  }
  read.length = 0;
  await openPartitions(watched, manifest, "train", { rows: { begin: 0, end: 1 } });
  assert.deepEqual(read, [manifest.blocks.train[0]!.key]);
});

test("more than the memory limit is refused before anything is fetched", async () => {
  const storage = await emptyStorage();
  const manifest = await importSource(storage, large);
  const memoryLimitBytes = loadBytes(manifest, "train");
  assert.equal((await openPartitions(storage, manifest, "train", { memoryLimitBytes })).count, 10_000);
  const closed: Storage = { ...storage, get: () => assert.fail("fetched") };
  const limits = { memoryLimitBytes: memoryLimitBytes - 1 };
  await assert.rejects(openPartitions(closed, manifest, "train", limits), {
    code: "data-too-large",
    message: /bytes: rows 0\.\.10000 of train need .* MiB/,
  });
});

/** Counts what is put, by key; `failAfter` puts, writing fails. */
function counting(storage: Storage, failAfter = Infinity) {
  const keys: string[] = [];
  const put: Storage["put"] = (key, parts, options) => {
    if (keys.length >= failAfter) return Promise.reject(new Error("disk full"));
    keys.push(key);
    return storage.put(key, parts, options);
  };
  return { keys, storage: { ...storage, put } };
}

test("a data set is written once: the second time nothing is put", async (t) => {
  const path = writeImages(temporaryFolder(t));
  const storage = await emptyStorage();
  const first = counting(storage);
  const manifest = await ensurePartitions(first.storage, path, { seed: 1 });
  assert.deepEqual(first.keys, [
    ...[...manifest.blocks.train, ...manifest.blocks.validation].map(({ key }) => key),
    statisticsKey(manifest.id),
    manifestKey(manifest.id),
  ]);
  const second = counting(storage);
  assert.deepEqual(await ensurePartitions(second.storage, path, { seed: 1 }), manifest);
  assert.deepEqual(second.keys, []);
});

test("the second time the source is not decoded, even from another folder, but a changed file is", async (t) => {
  const csv = "1,0\n2,1\n3,0\n";
  const storage = await emptyStorage();
  const path = writeData(temporaryFolder(t), "a.csv", csv);
  const manifest = await ensurePartitions(storage, path, { seed: 1 });
  const copy = writeData(temporaryFolder(t), "a.csv", csv);
  // The stored source is the first one's: had the copy been decoded, it would be its own.
  assert.equal((await ensurePartitions(storage, copy, { seed: 1 })).source, path);
  const changed = writeData(temporaryFolder(t), "a.csv", "1,0\n2,1\n3,1\n");
  const other = await ensurePartitions(storage, changed, { seed: 1 });
  assert.notEqual(other.contentHash, manifest.contentHash);
});

test("a manifest that is gone costs only the reading", async (t) => {
  const path = writeImages(temporaryFolder(t));
  const storage = await emptyStorage();
  const manifest = await ensurePartitions(storage, path, { seed: 1 });
  await storage.delete([manifestKey(manifest.id)]);
  assert.deepEqual(await ensurePartitions(storage, path, { seed: 1 }), manifest);
});

test("an import that died half-way is seen by nobody, and completed by the next one", async () => {
  const storage = await emptyStorage();
  await assert.rejects(importSource(counting(storage, 2).storage, large), /disk full/);
  const keys = await Array.fromAsync(storage.list("data/"));
  assert.equal(keys.length, 2);
  const id = keys[0]!.split("/")[1]!;
  assert.equal(await readManifest(storage, id), undefined);
  const manifest = await importSource(storage, large);
  assert.equal(manifest.id, id);
  assert.deepEqual(await openPartitions(storage, manifest, "train"), loaded.train);
});

test("two coordinators may write at once", async () => {
  const storage = await emptyStorage();
  const [one, two] = await Promise.all([importSource(storage, large), importSource(storage, large)]);
  assert.deepEqual(one, two);
  assert.deepEqual(await openPartitions(storage, one, "train"), loaded.train);
});

test("a block that is damaged anywhere is named, and never gives wrong rows", async () => {
  const storage = await emptyStorage();
  const manifest = await importSource(storage, floats);
  const key = manifest.blocks.train[0]!.key;
  const whole = (await storage.get({ key }))!;
  const expected = await openPartitions(storage, manifest, "train");
  let refused = 0;
  for (let at = 0; at < whole.length; at++) {
    for (const bit of [1, 128]) {
      const flipped = whole.slice();
      flipped[at]! ^= bit;
      await storage.put(key, [flipped]);
      // zstd has bits without a meaning: such a block may pass, with its rows whole.
      const read = await openPartitions(storage, manifest, "train").catch((error: unknown) => error);
      if (!(read instanceof Error)) assert.deepEqual(read, expected);
      else {
        refused++;
        assert.equal((read as { code?: string }).code, "data-block-damaged");
        assert.match(read.message, new RegExp(`^${key} in memory:`));
      }
    }
  }
  assert.ok(refused > 1.8 * whole.length);
  for (let length = 0; length < whole.length; length++) {
    await storage.put(key, [whole.subarray(0, length)]);
    await assert.rejects(openPartitions(storage, manifest, "train"), { code: "data-block-damaged" });
  }
});

test("a block that is another one, or missing, is named with what to do", async () => {
  const storage = await emptyStorage();
  const manifest = await importSource(storage, large);
  const [first, second] = manifest.blocks.train;
  await storage.put(second!.key, [(await storage.get({ key: first!.key }))!]);
  await assert.rejects(openPartitions(storage, manifest, "train"), {
    code: "data-block-damaged",
    message: new RegExp(`^${second!.key} .*crc32`),
    suggestions: [
      `Delete data/${manifest.id}/ in ${storage.uri} and run again: the data set is then written anew.`,
    ],
  });
  await storage.delete([second!.key]);
  await assert.rejects(openPartitions(storage, manifest, "train"), {
    code: "data-block-missing",
    message: new RegExp(`^${second!.key} `),
  });
});

test("a damaged manifest is named", async () => {
  const storage = await emptyStorage();
  const manifest = await importSource(storage, floats);
  const key = manifestKey(manifest.id);
  for (const text of ["{", "null", "{}", JSON.stringify({ ...manifest, id: "0" })]) {
    await storage.put(key, [Buffer.from(text)]);
    await assert.rejects(readManifest(storage, manifest.id), {
      code: "data-manifest-damaged",
      message: new RegExp(`^${key} in memory:`),
    });
  }
});
