// From a worker's start to its first finished step, Node's own start included, by stage: real processes of the built
// bundle on prepared storage. `npx node bench/e2e/cold-start.ts [--model lenet5] [--threads 1] [--runs 30]`. The last
// line is JSON with commit and machine. A machine that does anything else at the time adds half as much again.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { RUN_SCHEMA_VERSION, type RunManifest, type WorkerEvent } from "../../src/run/records.ts";
import type { WorkerResult } from "../../src/run/records.ts";
import { summariseTimes } from "../statistics.ts";

const path = (relative: string): string => fileURLToPath(new URL(`../../${relative}`, import.meta.url));
const RUNTIME = path("dist/src/providers/local/function-runtime.js");
const BUNDLE = path("dist/function/handler.mjs");
const STORAGE = "fs:.sltrain";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: "lenet5" },
    threads: { type: "string", default: "1" },
    runs: { type: "string", default: "30" },
  },
});
const folder = mkdtempSync(join(tmpdir(), "sltrain-bench-"));
const node = (args: readonly string[], input = ""): void => {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    ...{ cwd: folder, input, encoding: "utf8" },
  });
  if (status !== 0) throw new Error(`${args.join(" ")}: exit code ${status}: ${stdout}${stderr}`);
};
const runFolder = (runId: string): string => join(folder, ".sltrain", "runs", runId);

// Imports the data and writes a manifest; each counted run is a fresh one that is asked to stop at once.
const setting = ["--model", values.model, "--threads", values.threads, "--workers", "1"];
node([path("bin/run.js"), "train", ...setting, "--epochs", "1", "--run-id", "prepared", "--json"]);
const manifest = JSON.parse(
  readFileSync(join(runFolder("prepared"), "manifest.json"), "utf8"),
) as RunManifest;

const results: WorkerResult[] = [];
for (let run = 0; run < Number(values.runs); run++) {
  const runId = `start-${run}`;
  mkdirSync(runFolder(runId));
  writeFileSync(join(runFolder(runId), "manifest.json"), JSON.stringify({ ...manifest, runId }));
  writeFileSync(join(runFolder(runId), "stop.json"), "{}");
  const event: WorkerEvent = {
    ...{ schemaVersion: RUN_SCHEMA_VERSION, kind: "worker", runId, storage: STORAGE, channel: STORAGE },
    ...{ rank: 0, attempt: 0, generation: 0, reason: "start" },
  };
  node([RUNTIME, BUNDLE], JSON.stringify(event));
  results.push(
    JSON.parse(readFileSync(join(runFolder(runId), "results", "0", "0.json"), "utf8")) as WorkerResult,
  );
}
rmSync(folder, { recursive: true });

const stages = Object.keys(results[0]!.startupMs);
const rows = [
  ...stages.map((stage) => ({ stage, ...summariseTimes(results.map((one) => one.startupMs[stage]!)) })),
  { stage: "total", ...summariseTimes(results.map((one) => one.firstStepMs)) },
];
for (const { stage, minMs, medianMs } of rows)
  console.error(
    `${stage.padEnd(10)} min ${minMs.toFixed(1).padStart(6)} ms  median ${medianMs.toFixed(1).padStart(6)} ms`,
  );
const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
const machine = { cpu: cpus()[0]?.model, cores: availableParallelism(), node: process.versions.node };
console.log(JSON.stringify({ commit, machine, ...values, rows }));
