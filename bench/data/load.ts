// How fast a worker loads partitions from a local disk (cached by the system): get, unpack, check and copy, in MB of rows in
// memory per second of one core's time; beside it what the parts cost alone, on the same blocks.
//   node bench/data/load.ts [--rows 300000] [--twins higgs,rcv1,mnist] [--json]

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { crc32, zstdDecompressSync } from "node:zlib";
import type { DataManifest } from "../../src/data/manifest.ts";
import { importSource } from "../../src/data/partition.ts";
import { openPartitions } from "../../src/data/reader.ts";
import { openTwin } from "../../src/data/twins/index.ts";
import { openStorage } from "../../src/storage/open.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { reportJson } from "../json.ts";
import { median } from "../statistics.ts";

export interface LoadFigures {
  readonly name: string;
  readonly rowsMB: number;
  readonly storedMB: number;
  /** Of `openPartitions`, by the processor time of the whole process; and by the clock. */
  readonly perCoreMBs: number;
  readonly MBs: number;
  /** Alone, of the stored blocks. */
  readonly getMBs: number;
  readonly unpackMBs: number;
  readonly checkMBs: number;
}

const RUNS = 5;
const HEADER_BYTES = 40;
const ZSTD_MAGIC = 0xfd2fb528;

export async function measureLoad(name: string, rows: number): Promise<LoadFigures> {
  const folder = await mkdtemp(join(tmpdir(), "sltrain-bench-load-"));
  try {
    const storage = await openStorage(`fs:${folder}`);
    const manifest = await importSource(storage, {
      ...{ name, source: "a twin", inputs: [`${name} ${rows}`] },
      open: () => openTwin(name, { seed: 1, split: "train", rows }),
    });
    const rowsMB = manifest.blocks.train.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6;
    const storedMB = manifest.blocks.train.reduce((sum, { storedBytes }) => sum + storedBytes, 0) / 1e6;
    const whole = await timed(() => openPartitions(storage, manifest, "train"));
    const parts = await partCosts(storage, manifest);
    await storage.close();
    return {
      ...{ name, rowsMB, storedMB, perCoreMBs: rowsMB / whole.cpuS, MBs: rowsMB / whole.wallS },
      ...{ getMBs: rowsMB / parts.getS, unpackMBs: rowsMB / parts.unpackS, checkMBs: rowsMB / parts.checkS },
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function timed(run: () => Promise<unknown>): Promise<{ wallS: number; cpuS: number }> {
  const times: { wallS: number; cpuS: number }[] = [];
  for (let i = 0; i < RUNS; i++) {
    const began = performance.now();
    const cpu = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(cpu);
    times.push({ wallS: (performance.now() - began) / 1e3, cpuS: (user + system) / 1e6 });
  }
  return { wallS: median(times.map(({ wallS }) => wallS)), cpuS: median(times.map(({ cpuS }) => cpuS)) };
}

async function partCosts(
  storage: Storage,
  { blocks }: DataManifest,
): Promise<{ getS: number; unpackS: number; checkS: number }> {
  const seconds = { getS: 0, unpackS: 0, checkS: 0 };
  const into = new Uint8Array(16 * 2 ** 20);
  for (const { key, bytes } of blocks.train) {
    let began = performance.now();
    const lap = (part: keyof typeof seconds) => {
      seconds[part] += (performance.now() - began) / 1e3;
      began = performance.now();
    };
    const payload = (await storage.get({ key }, into))!.subarray(HEADER_BYTES);
    lap("getS");
    const isPacked = new DataView(payload.buffer, payload.byteOffset).getUint32(0, true) === ZSTD_MAGIC;
    const rows = isPacked ? zstdDecompressSync(payload, { chunkSize: bytes }) : payload;
    lap("unpackS");
    crc32(rows);
    lap("checkS");
  }
  return seconds;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rows: { type: "string", default: "300000" },
      twins: { type: "string", default: "higgs,rcv1,criteo-kaggle,mnist" },
      json: { type: "boolean", default: false },
    },
  });
  const figures: LoadFigures[] = [];
  for (const name of values.twins.split(",")) figures.push(await measureLoad(name, Number(values.rows)));
  if (values.json) {
    console.log(reportJson(figures));
    return;
  }
  for (const { name, rowsMB, storedMB, perCoreMBs, MBs, getMBs, unpackMBs, checkMBs } of figures) {
    console.log(
      `${name}: ${rowsMB.toFixed(0)} MB of rows, ${storedMB.toFixed(0)} MB stored; loads ${perCoreMBs.toFixed(0)} MB/s a ` +
        `core (${MBs.toFixed(0)} MB/s by the clock); alone: get ${getMBs.toFixed(0)}, unpack ${unpackMBs.toFixed(0)}, ` +
        `check ${checkMBs.toFixed(0)} MB/s`,
    );
  }
}

if (import.meta.main) await main();
