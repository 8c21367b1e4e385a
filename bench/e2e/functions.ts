// What functions cost that plain processes don't, on the local service: `npx node bench/e2e/functions.ts --row NAME`.
//   start   from an invocation to the first finished step, cold and warm
//   epoch   an epoch of LeNet-5 on functions beside the same on plain processes
//   cut     a run in functions of 10 s beside one in functions of 15 minutes
//   memory  100 workers of a small model at once
// The last line is JSON. Times are medians; compare them with others of the same hour only.

import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { localUri } from "../../src/functions/local.ts";
import { openFunctions } from "../../src/functions/open-functions.ts";
import { functionFolder, HANDLER } from "../../src/providers/function-bundle.ts";
import { type LambdaService, startLambdaService } from "../../src/providers/local/service.ts";
import { runKeys } from "../../src/run/keys.ts";
import type { WorkerEvent } from "../../src/run/records.ts";
import { built } from "../functions/built.ts";
import { callPlainly } from "../functions/call-plainly.ts";
import { PreparedRuns, type PreparedRun } from "../functions/prepared-runs.ts";
import { residentMiB } from "../functions/resident.ts";
import { reportJson } from "../json.ts";
import { describeProvenance } from "../machine.ts";
import { median, summariseTimes } from "../statistics.ts";

const FUNCTION = "bench";
const MEMORY_MIB = 1769;
const LENET5 = ["--model", "lenet5", "--threads", "1", "--io-thread", "off", "--epochs", "1"];
/** About three lives of 10 s. */
const CUT_EPOCHS = 90;
const CROWD = 100;

const rows: Readonly<Record<string, (runs: number) => Promise<object>>> = {
  start: measureStart,
  epoch: measureEpoch,
  cut: measureCut,
  memory: measureMemory,
};
const { values } = parseArgs({
  options: { row: { type: "string", default: "start" }, runs: { type: "string", default: "10" } },
});
const measure = rows[values.row];
if (measure === undefined) throw new Error(`--row: expected one of ${Object.keys(rows).join(", ")}`);
const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "sltrain-bench-"));
const root = join(folder, "storage");
try {
  const measured = await measure(Number(values.runs));
  console.log(reportJson({ ...describeProvenance(), row: values.row, ...measured }));
} finally {
  rmSync(folder, { recursive: true });
}

async function measureStart(runs: number): Promise<object> {
  const prepared = new PreparedRuns(root, [...LENET5, "--workers", "1"]);
  const coldMs: number[] = [];
  const warmMs: number[] = [];
  for (let run = 0; run < runs; run++) {
    await withService({ timeoutS: 900 }, async (service) => {
      for (const times of [coldMs, warmMs]) {
        const oneStep = prepared.next({ oneStep: true });
        await invokeAll(service, oneStep);
        times.push(oneStep.results()[0]!.firstStepMs);
      }
    });
  }
  return { cold: summariseTimes(coldMs), warm: summariseTimes(warmMs) };
}

/** By turns, so that both meet the same neighbours; the ratio is the median of the turns'. */
async function measureEpoch(runs: number): Promise<object> {
  const workers = availableParallelism();
  const prepared = new PreparedRuns(root, [...LENET5, "--workers", String(workers)]);
  const plainMs: number[] = [];
  const localMs: number[] = [];
  for (let run = 0; run < runs; run++) {
    const plain = prepared.next();
    plainMs.push(await elapsedMs(() => Promise.all(plain.events.map(callPlainly))));
    await withService({ timeoutS: 900 }, async (service) => {
      const local = prepared.next();
      localMs.push(await elapsedMs(() => invokeAll(service, local)));
    });
  }
  const ratio = median(localMs.map((ms, run) => ms / plainMs[run]!));
  return { workers, plain: summariseTimes(plainMs), local: summariseTimes(localMs), ratio };
}

async function measureCut(runs: number): Promise<object> {
  const workers = availableParallelism();
  const prepared = new PreparedRuns(root, [...LENET5, "--workers", String(workers)]);
  const wholeMs: number[] = [];
  const cutMs: number[] = [];
  const bits = new Set<string>();
  for (let run = 0; run < runs; run++) {
    for (const [timeoutS, times] of [[900, wholeMs] as const, [10, cutMs] as const]) {
      await withService({ timeoutS }, async (service) => {
        const functions = localUri(service.endpoint, FUNCTION);
        const long = prepared.next({ config: { timeoutS, epochs: CUT_EPOCHS }, functions });
        times.push(await elapsedMs(() => startAndFinish(functions, long)));
        bits.add(long.results()[0]!.parametersSha256);
      });
    }
  }
  if (bits.size > 1) throw new Error(`expected equal parameters, got ${[...bits].join(", ")}`);
  const ratio = median(cutMs.map((ms, run) => ms / wholeMs[run]!));
  return { workers, whole: summariseTimes(wholeMs), cut: summariseTimes(cutMs), ratio };
}

async function measureMemory(): Promise<object> {
  const small = ["--model", "lr", "--data", "random-binary:20000", "--batch-size", "2000", "--epochs", "1"];
  const flags = ["--workers", "2", "--threads", "1", "--io-thread", "off"];
  const prepared = new PreparedRuns(root, [...small, ...flags]);
  return withService({ timeoutS: 900 }, async (service) => {
    const crowd = prepared.next({ config: { workers: CROWD, epochs: 3 } });
    const over = new AbortController();
    const trained = invokeAll(service, crowd).finally(() => over.abort());
    let largest = { eachMiB: 0, privateMiB: 0, allMiB: 0 };
    while (!over.signal.aborted) {
      const each = [...service.pool.sandboxes].map(({ pid }) => residentMiB(pid!));
      const allMiB = each.reduce((sum, { proportional }) => sum + proportional, 0);
      if (each.length === CROWD && allMiB > largest.allMiB) {
        const most = (of: readonly number[]): number => Math.max(...of);
        largest = {
          eachMiB: most(each.map(({ resident }) => resident)),
          privateMiB: most(each.map(({ anonymous }) => anonymous)),
          allMiB,
        };
      }
      await sleep(500);
    }
    await trained;
    const replicas = new Set(crowd.results().map(({ parametersSha256 }) => parametersSha256));
    if (replicas.size !== 1) throw new Error(`expected equal replicas, got ${replicas.size} different ones`);
    return { workers: CROWD, ...largest };
  });
}

async function withService<T>(
  { timeoutS }: { readonly timeoutS: number },
  use: (service: LambdaService) => Promise<T>,
): Promise<T> {
  const logFolder = join(folder, "logs");
  mkdirSync(logFolder, { recursive: true });
  const service = await startLambdaService({
    ...{ port: 0, logFolder, accountConcurrency: 10 * CROWD },
    runtime: [built("src/providers/local/runtime.ts")],
    functions: [
      {
        ...{ name: FUNCTION, memoryMiB: MEMORY_MIB, timeoutS },
        ...{ environment: {}, bundlePath: functionFolder, handler: HANDLER },
      },
    ],
  });
  return use(service).finally(() => service.close());
}

/** Resolves when the functions that were invoked have returned. */
async function invokeAll({ endpoint }: LambdaService, { events }: PreparedRun): Promise<void> {
  const answers = events.map(async (event) => {
    const url = `${endpoint}/2015-03-31/functions/${FUNCTION}/invocations`;
    const response = await fetch(url, { method: "POST", body: JSON.stringify(event) });
    const text = await response.text();
    const failed = response.headers.get("x-amz-function-error") !== null;
    if (failed || !response.ok) throw new Error(`rank ${event.rank}: status ${response.status}: ${text}`);
  });
  await Promise.all(answers);
}

/** Resolves once every rank has left its result, whichever of its functions did. */
async function startAndFinish(uri: string, { runId, events }: PreparedRun): Promise<void> {
  const functions = await openFunctions(uri, process.env);
  await Promise.all(events.map((event) => functions.invoke(event)));
  await functions.close();
  const keys = runKeys(runId);
  const isThere = ({ rank, attempt }: WorkerEvent): boolean =>
    existsSync(join(root, keys.result(attempt, rank)));
  while (!events.every(isThere)) await sleep(5);
}

async function elapsedMs(work: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now();
  await work();
  return performance.now() - beganMs;
}
