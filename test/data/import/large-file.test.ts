import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { measureImport, startImport, writeLargeFile } from "../../../bench/data/import.ts";
import { readManifest } from "../../../src/data/manifest.ts";
import { openPartitions } from "../../../src/data/reader.ts";
import { openStorage } from "../../../src/storage/open.ts";
import { temporaryFolder } from "../files.ts";

const MIB = 2 ** 20;

test("importers of 200 MB that are killed, and two at once with too little and enough memory, leave one data set", async (t) => {
  const folder = temporaryFolder(t);
  const spillFolder = join(folder, "spill");
  mkdirSync(spillFolder);
  const path = join(folder, "rows.csv");
  await writeLargeFile(path, "csv", 200e6);
  const storage = await openStorage(`fs:${join(folder, "storage")}`);
  const job = { path, storage: storage.uri, spillFolder, memoryBytes: 16 * MIB };
  const keys = () => Array.fromAsync(storage.list("data/"));

  const killed = startImport(job);
  while ((await keys()).length === 0) await setTimeout(5);
  killed.kill("SIGKILL");
  await once(killed, "exit");
  const id = (await keys())[0]!.split("/")[1]!;
  assert.equal(await readManifest(storage, id), undefined);
  assert.deepEqual(readdirSync(spillFolder), []);

  const [small, large] = await Promise.all([
    measureImport(job),
    measureImport({ ...job, memoryBytes: 1024 * MIB }),
  ]);
  assert.equal(small.contentHash, large.contentHash);
  // The runtime takes about 150 MB; the rows alone take 50, and the file is 200.
  assert.ok(small.peakMemoryMiB < 270, `${small.peakMemoryMiB} MiB`);
  assert.deepEqual(readdirSync(spillFolder), []);
  const manifest = await readManifest(storage, id);
  assert.ok(manifest);
  for (const split of ["train", "validation"] as const) {
    assert.equal((await openPartitions(storage, manifest, split)).count, manifest.counts[split]);
  }
  assert.equal(manifest.counts.train + manifest.counts.validation, small.rows);
});
