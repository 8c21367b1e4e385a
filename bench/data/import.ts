// Imports a file that is larger than the memory it may use, and prints what it took: the process's peak memory (maxRSS of
// a process that does nothing else), MB/s from file to blocks, and whether the rows went to disk.
//   node bench/data/import.ts [--size-mb 10000] [--format csv|libsvm] [--folder /tmp] [--memory-mib 32] [--json]

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { parseArgs } from "node:util";
import { ensurePartitions } from "../../src/data/partition.ts";
import { openTwin } from "../../src/data/twins/index.ts";
import { writeRows } from "../../src/data/write-rows.ts";
import { openStorage } from "../../src/storage/open.ts";

export interface ImportJob {
  readonly path: string;
  readonly storage: string;
  readonly spillFolder: string;
  readonly memoryBytes?: number | undefined;
}

export interface ImportFigures {
  readonly rows: number;
  readonly seconds: number;
  readonly peakMemoryMiB: number;
  readonly contentHash: string;
}

/** Imports in a process of its own. */
export function startImport(job: ImportJob): ChildProcess {
  return fork(import.meta.filename, ["--child", JSON.stringify(job)]);
}

export async function measureImport(job: ImportJob): Promise<ImportFigures> {
  const child = startImport(job);
  const exited = once(child, "exit");
  const [figures] = (await Promise.race([
    once(child, "message"),
    exited.then(([code]) => {
      throw new Error(`the import ended with code ${String(code)}`);
    }),
  ])) as [ImportFigures];
  await exited;
  return figures;
}

/** The first rows of a twin, again and again until the file has `sizeBytes`. */
export async function writeLargeFile(
  path: string,
  format: "csv" | "libsvm",
  sizeBytes: number,
): Promise<void> {
  const sample = `${path}.sample`;
  const rows = { seed: 1, split: "train", rows: 40_000 } as const;
  await writeRows(openTwin(format === "csv" ? "higgs" : "rcv1", rows), format, sample);
  const text = await readFile(sample);
  await rm(sample);
  const header = format === "csv" ? text.indexOf("\n") + 1 : 0;
  const file = createWriteStream(path);
  file.write(text);
  for (let bytes = text.length; bytes < sizeBytes; bytes += text.length - header) {
    if (!file.write(text.subarray(header))) await once(file, "drain");
  }
  file.end();
  await finished(file);
}

async function importHere({
  path,
  storage: uri,
  spillFolder,
  memoryBytes,
}: ImportJob): Promise<ImportFigures> {
  const storage = await openStorage(uri);
  const began = performance.now();
  const manifest = await ensurePartitions(storage, path, { seed: 1, spillFolder, memoryBytes });
  const seconds = (performance.now() - began) / 1000;
  await storage.close();
  return {
    rows: manifest.counts.train + manifest.counts.validation,
    seconds,
    peakMemoryMiB: process.resourceUsage().maxRSS / 1024,
    contentHash: manifest.contentHash,
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      child: { type: "string" },
      "size-mb": { type: "string", default: "10000" },
      format: { type: "string", default: "csv" },
      folder: { type: "string", default: tmpdir() },
      "memory-mib": { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  if (values.child !== undefined) {
    process.send!(await importHere(JSON.parse(values.child) as ImportJob));
    process.disconnect();
    return;
  }
  const format = values.format === "libsvm" ? "libsvm" : "csv";
  const folder = await mkdtemp(join(values.folder, "sltrain-bench-import-"));
  try {
    const path = join(folder, `rows.${format}`);
    await writeLargeFile(path, format, Number(values["size-mb"]) * 1e6);
    const { size } = await stat(path);
    const memoryMiB = values["memory-mib"];
    const figures = await measureImport({
      ...{ path, storage: `fs:${join(folder, "storage")}`, spillFolder: folder },
      memoryBytes: memoryMiB === undefined ? undefined : Number(memoryMiB) * 2 ** 20,
    });
    const result = { format, sizeMB: size / 1e6, MBs: size / 1e6 / figures.seconds, ...figures };
    if (values.json) console.log(JSON.stringify(result));
    else {
      console.log(
        `${format}: ${(size / 1e6).toFixed(0)} MB, ${figures.rows.toLocaleString("en-US")} rows in ` +
          `${figures.seconds.toFixed(1)} s: ${result.MBs.toFixed(0)} MB/s; peak memory ${figures.peakMemoryMiB.toFixed(0)} MiB`,
      );
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

if (import.meta.main) await main();
