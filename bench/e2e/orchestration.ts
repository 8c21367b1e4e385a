// What it matters who starts workers and their successors: `npx node bench/e2e/orchestration.ts --row start|cut`.
//   start  from the command to the first step that all workers have finished, by --workers
//   cut    a run in functions of --timeout-s: its time, how often workers were started, what it cost
// The peers' orchestration is Naik's (2021), the starter's LambdaML's (2021), the coordinator's Cirrus's (2019). Of the
// built tool on the local service; the last line is JSON. Rounds take turns; compare within one run only.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { orchestrations } from "../../src/config/schema.ts";
import type { Attempt } from "../../src/run/attempts.ts";
import { runKeys } from "../../src/run/keys.ts";
import type { RunSummary, WorkerResult } from "../../src/run/records.ts";
import { reportJson } from "../json.ts";
import { describeProvenance } from "../machine.ts";
import { median, summariseTimes } from "../statistics.ts";

const { values } = parseArgs({
  options: {
    row: { type: "string", default: "start" },
    runs: { type: "string", default: "5" },
    workers: { type: "string", default: "8" },
    "timeout-s": { type: "string", default: "3" },
  },
});
const BIN = fileURLToPath(new URL("../../bin/run.js", import.meta.url));
/** Small steps: what is timed are starts. */
const START = ["--model", "lr", "--data", "random-binary:4096", "--epochs", "1", "--io-thread", "off"];
const CUT = ["--model", "lenet5", "--epochs", "6", "--timeout-s", values["timeout-s"]];
const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "sltrain-bench-"));
const storage = join(folder, "storage");
const rows: Readonly<Record<string, (orchestration: string, runId: string) => Measured>> = {
  start: measureStart,
  cut: measureCut,
};

interface Measured extends Pick<RunSummary, "generations" | "restarts" | "gbSeconds" | "costUsd"> {
  readonly ms: number;
}

const measure = rows[values.row];
if (measure === undefined) throw new Error(`--row: expected one of ${Object.keys(rows).join(", ")}`);
try {
  const measured = new Map<string, Measured[]>(orchestrations.map((name) => [name, []]));
  // The first round imports the data set and is not counted.
  for (let round = -1; round < Number(values.runs); round++) {
    for (const name of orchestrations) {
      const one = measure(name, `${name}-${round + 1}`);
      if (round >= 0) measured.get(name)!.push(one);
    }
  }
  const summary = [...measured].map(([orchestration, all]) => ({
    orchestration,
    ...summariseTimes(all.map(({ ms }) => ms)),
    generations: median(all.map(({ generations }) => generations)),
    restarts: median(all.map(({ restarts }) => restarts)),
    gbSeconds: median(all.map(({ gbSeconds }) => gbSeconds)),
    costUsd: median(all.map(({ costUsd }) => costUsd.total)),
  }));
  console.log(reportJson({ ...describeProvenance(), ...values, rows: summary }));
} finally {
  rmSync(folder, { recursive: true });
}

/** By rank 0, whose first step needs the frames of all. */
function measureStart(orchestration: string, runId: string): Measured {
  // Nobody finishes it yet: what its workers left remains.
  train([...START, "--orchestration", orchestration, "--run-id", runId, "--detach"]);
  const keys = runKeys(runId);
  while (!existsSync(join(storage, keys.result(0, 0)))) spawnSync("sleep", ["0.05"]);
  const result = read(keys.result(0, 0)) as WorkerResult;
  const attempt = read(keys.attempt(0)) as Attempt;
  const beganMs = Date.parse(result.endedAt) - result.wallMs;
  const ms = beganMs + result.firstStepMs - Date.parse(attempt.at);
  return { ...(sltrain(["runs", "watch", runId]) as RunSummary), ms };
}

function measureCut(orchestration: string, runId: string): Measured {
  const summary = train([...CUT, "--orchestration", orchestration, "--run-id", runId]) as RunSummary;
  return { ...summary, ms: summary.wallMs };
}

function train(args: readonly string[]): unknown {
  return sltrain(["train", ...args, "--workers", values.workers]);
}

/** Its last line. */
function sltrain(args: readonly string[]): unknown {
  const command = [BIN, ...args, "--storage", `fs:${storage}`, "--json"];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: folder, encoding: "utf8" });
  if (status !== 0) throw new Error(`${args.join(" ")}: exit code ${status}: ${stdout}${stderr}`);
  return JSON.parse(stdout.trim().split("\n").at(-1)!);
}

function read(key: string): unknown {
  return JSON.parse(readFileSync(join(storage, key), "utf8"));
}
