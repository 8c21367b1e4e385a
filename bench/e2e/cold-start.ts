// From a worker's start to its first finished step, Node's own start included, by stage: real processes of the built
// bundle on prepared storage. `npx node bench/e2e/cold-start.ts [--model lenet5] [--threads 1] [--runs 30]`. The last
// line is JSON. A machine that does anything else at the time adds half as much again.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { WorkerResult } from "../../src/run/records.ts";
import { callPlainly } from "../functions/call-plainly.ts";
import { PreparedRuns } from "../functions/prepared-runs.ts";
import { reportJson } from "../json.ts";
import { describeProvenance } from "../machine.ts";
import { summariseTimes } from "../statistics.ts";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: "lenet5" },
    threads: { type: "string", default: "1" },
    runs: { type: "string", default: "30" },
  },
});
const folder = mkdtempSync(join(tmpdir(), "sltrain-bench-"));
const setting = ["--model", values.model, "--threads", values.threads, "--workers", "1", "--epochs", "1"];
const prepared = new PreparedRuns(join(folder, "storage"), setting);
const results: WorkerResult[] = [];
for (let run = 0; run < Number(values.runs); run++) {
  const oneStep = prepared.next({ oneStep: true });
  await callPlainly(oneStep.events[0]!);
  results.push(...oneStep.results());
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
console.log(reportJson({ ...describeProvenance(), ...values, rows }));
