// Whole runs as a user starts them, from process start to end: `npx node bench/e2e/train.ts [--runs 3]`. The last line
// is JSON with commit and machine; quote medians, and only beside others of the same machine.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { summariseTimes } from "../statistics.ts";

const BIN = fileURLToPath(new URL("../../bin/run.js", import.meta.url));
const CASES: Readonly<Record<string, readonly string[]>> = {
  default: [],
  "mlp to 0.87": ["--model", "mlp", "--data", "fashion-mnist", "--target-accuracy", "0.87"],
  "feng-a, 1 epoch": ["--model", "feng-a", "--data", "random-binary", "--epochs", "1"],
};

const { values } = parseArgs({ options: { runs: { type: "string", default: "3" } } });
const folder = mkdtempSync(join(tmpdir(), "sltrain-bench-"));
const rows = [];
for (const [name, args] of Object.entries(CASES)) {
  const wallMs: number[] = [];
  let summary: Readonly<Record<string, unknown>> = {};
  // The first run imports the data set and is not counted.
  for (let run = -1; run < Number(values.runs); run++) {
    const startMs = performance.now();
    const { status, stdout } = spawnSync(process.execPath, [BIN, "train", "--json", ...args], {
      cwd: folder,
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`${name}: exit code ${status}: ${stdout}`);
    if (run >= 0) wallMs.push(performance.now() - startMs);
    summary = JSON.parse(stdout.trim().split("\n").at(-1)!) as typeof summary;
  }
  const { accuracy, epochs, steps, firstStepMs, computeMs, exchangeMs, waitMs, bytesUp, peakMemoryMiB } =
    summary;
  rows.push({
    ...{ name, ...summariseTimes(wallMs), runs: wallMs.length, accuracy, epochs, steps },
    ...{ firstStepMs, computeMs, exchangeMs, waitMs, bytesUp, peakMemoryMiB },
  });
  console.error(
    `${name}: median ${(summariseTimes(wallMs).medianMs / 1000).toFixed(2)} s, accuracy ${String(accuracy)}`,
  );
}
rmSync(folder, { recursive: true });
const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
const machine = { cpu: cpus()[0]?.model, cores: availableParallelism(), node: process.versions.node };
console.log(JSON.stringify({ commit, machine, rows }));
