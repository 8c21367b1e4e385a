// Files into partitions and partitions into memory: what an import and a worker's start take, on a local disk.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { importSource } from "../../src/data/partition.ts";
import { openPartitions } from "../../src/data/reader.ts";
import { pathSource } from "../../src/data/sources/path.ts";
import { openStorage } from "../../src/storage/open.ts";
import { median } from "../statistics.ts";
import { cpuSeconds } from "./cpu-seconds.ts";
import { makeText, TEXT_CASES, type TextCase } from "./texts.ts";

export interface StoreRow {
  readonly name: string;
  readonly sizeBytes: number;
  readonly rows: number;
  /** Of the training rows, in memory and in storage. */
  readonly rowsBytes: number;
  readonly storedBytes: number;
  /** MB of the file: hashed, parsed, shuffled, measured, packed; per second of one core, and by the clock. */
  readonly importMbPerS: number;
  readonly importMbPerWallS: number;
  /** MB of rows in memory: read, unpacked, checked, copied; per second of one core. */
  readonly loadMbPerS: number;
}

/** Tables of the shapes of Higgs and RCV1: what is dense and what is sparse. */
const STORED = ["higgs.csv", "rcv1.libsvm"];

export async function benchStore(sizeBytes: number, rounds: number): Promise<StoreRow[]> {
  const rows: StoreRow[] = [];
  for (const textCase of TEXT_CASES.filter(({ name }) => STORED.includes(name))) {
    rows.push(await measure(textCase, sizeBytes, rounds));
  }
  return rows;
}

async function measure(textCase: TextCase, atLeastBytes: number, rounds: number): Promise<StoreRow> {
  const { name, hashBits } = textCase;
  const folder = await mkdtemp(join(tmpdir(), "sltrain-bench-data-"));
  try {
    const path = join(folder, name);
    const text = makeText(textCase, atLeastBytes);
    await writeFile(path, text);
    const storage = await openStorage(`fs:${join(folder, "storage")}`);
    const wallBegin = performance.now();
    const cpuBegin = cpuSeconds();
    const manifest = await importSource(
      storage,
      await pathSource(path, { ...(hashBits !== undefined && { hashBits }) }),
    );
    const importCpuS = cpuSeconds() - cpuBegin;
    const importWallS = (performance.now() - wallBegin) / 1e3;
    const loads: number[] = [];
    for (let round = -1; round < rounds; round++) {
      const begin = cpuSeconds();
      await openPartitions(storage, manifest, "train");
      if (round >= 0) loads.push(cpuSeconds() - begin);
    }
    await storage.close();
    const total = (of: "bytes" | "storedBytes") =>
      manifest.blocks.train.reduce((sum, block) => sum + block[of], 0);
    const megabytes = text.length / 1e6;
    return {
      ...{ name, sizeBytes: text.length, rows: manifest.counts.train + manifest.counts.validation },
      ...{ rowsBytes: total("bytes"), storedBytes: total("storedBytes") },
      ...{ importMbPerS: megabytes / importCpuS, importMbPerWallS: megabytes / importWallS },
      loadMbPerS: total("bytes") / 1e6 / median(loads),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}
