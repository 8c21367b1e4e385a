// What a source tells of its way into storage: whatever the format, all bytes on disk are told, and none twice.

import assert from "node:assert/strict";
import { cpSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openSource } from "../../src/data/known.ts";
import { ensurePartitions } from "../../src/data/partition.ts";
import type { DataProgress } from "../../src/data/progress.ts";
import { sourceBytes } from "../../src/data/source.ts";
import { openStorage } from "../../src/storage/open.ts";
import { idx, IDX_U8, temporaryFolder, writeData } from "./files.ts";
import { FIXTURES } from "./formats/read-rows.ts";

const lines = (count: number, line: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i)).join("\n");

test("a reader tells the bytes on disk that it has read, of every format", async (t) => {
  const folder = temporaryFolder(t);
  const rows = 20_000;
  writeData(folder, "y.npy", npy("<f8", [rows], 8 * rows));
  const digits = join(folder, "digits");
  mkdirSync(digits);
  for (const split of ["train", "t10k"]) {
    writeData(digits, `${split}-images-idx3-ubyte`, idx(IDX_U8, [60, 20, 20], Array(24_000).fill(7)));
    writeData(digits, `${split}-labels-idx1-ubyte`, idx(IDX_U8, [60], Array(60).fill(1)));
  }
  const cifar = join(folder, "cifar");
  mkdirSync(cifar);
  for (const name of ["data_batch_1.bin", "test_batch.bin"]) writeData(cifar, name, Buffer.alloc(30 * 3073));
  const images = join(folder, "images");
  cpSync(join(FIXTURES, "images/rgb"), images, { recursive: true });
  const paths = {
    "table.csv.gz": writeData(
      folder,
      "table.csv.gz",
      lines(rows, (i) => `${Math.sin(i)},${i % 2}`),
    ),
    "rows.libsvm": writeData(
      folder,
      "rows.libsvm",
      lines(rows, (i) => `${i % 2} 1:${Math.sin(i)}`),
    ),
    "X.npy": writeData(folder, "X.npy", npy("<f4", [rows, 8], 32 * rows)),
    "packed.npz": join(FIXTURES, "npy/packed.npz"),
    "zstd.parquet": join(FIXTURES, "parquet/zstd.parquet"),
    "numbers.tfrecord": join(FIXTURES, "tfrecord/numbers.tfrecord"),
    "book.txt": writeData(
      folder,
      "book.txt",
      lines(rows, (i) => `${"abc def ghi".slice(i % 7)} jkl`),
    ),
    digits,
    cifar,
    images,
  };
  for (const [name, path] of Object.entries(paths)) {
    const source = await openSource(path, { seed: 1 });
    const sizeBytes = await sourceBytes(source);
    let bytes = 0;
    const opened = await source.open((size) => (bytes += size));
    const readers = "train" in opened ? [opened.train, opened.validation] : [opened];
    for (const reader of readers) for await (const block of reader.read()) assert.ok(block.count > 0);
    // Headers of archives and labels beside rows are read beforehand.
    const share = bytes / sizeBytes;
    assert.ok(share > 0.4 && share < 1.001, `${name}: ${bytes} of ${sizeBytes} bytes`);
  }
});

function npy(type: string, shape: readonly number[], dataBytes: number): Buffer {
  const header = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.join(", ")},), }`;
  const head = Buffer.from(`\x93NUMPY\x01\x00..${header.padEnd(117)}\n`, "latin1");
  head.writeUInt16LE(118, 8);
  return Buffer.concat([head, Buffer.alloc(dataBytes)]);
}

test("an import tells of its phases in their order, and each to its end", async (t) => {
  const folder = temporaryFolder(t);
  const path = writeData(
    folder,
    "table.csv.gz",
    lines(30_000, (i) => `${Math.sin(i)},${i % 2}`),
  );
  const storage = await openStorage(`fs:${join(folder, "store")}`);
  t.after(() => storage.close());
  const told: DataProgress[] = [];
  await ensurePartitions(storage, path, { seed: 1, onProgress: (progress) => told.push(progress) });
  const phases = told.map(({ phase }) => phase);
  assert.deepEqual([...new Set(phases)], ["recognising", "reading", "writing"]);
  const last = (phase: DataProgress["phase"]) => told[phases.lastIndexOf(phase)]!;
  const { size } = statSync(path);
  assert.deepEqual(last("recognising"), { phase: "recognising", bytes: size, totalBytes: size });
  assert.deepEqual(last("reading"), { phase: "reading", rows: 30_000, bytes: size, totalBytes: size });
  const writing = last("writing");
  assert.ok(writing.phase === "writing" && writing.rows > 25_000 && writing.totalRows === 30_000);
});
