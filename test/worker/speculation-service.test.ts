// A copy beside a worker that its machine slows down: real processes of the local service, one of them stopped again and
// again for most of the time.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { coordinate } from "../../bench/chaos/coordinator.ts";
import { writeImages } from "../../bench/chaos/data.ts";
import { Progress } from "../../bench/chaos/progress.ts";
import { built } from "../../bench/functions/built.ts";
import { localUri } from "../../src/functions/local.ts";
import { functionFolder, HANDLER } from "../../src/providers/function-bundle.ts";
import type { Sandbox } from "../../src/providers/local/sandbox.ts";
import { type LambdaService, startLambdaService } from "../../src/providers/local/service.ts";
import type { RunSummary, WorkerEvent } from "../../src/run/records.ts";

const SLOW = 2;
const STOPPED_MS = 80;
const RUNNING_MS = 10;

const folder = mkdtempSync(join(tmpdir(), "sltrain-slow-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const root = join(folder, "storage");
const data = writeImages(join(folder, "data"), 1500);

function isSlow({ invocation }: Sandbox): boolean {
  if (invocation === undefined) return false;
  const { rank, generation } = JSON.parse(new TextDecoder().decode(invocation.payload)) as WorkerEvent;
  return rank === SLOW && generation === 0;
}

/** Gives the rank's first worker a ninth of the time, from the run's third step to `signal`. */
async function slowDown(service: LambdaService, runId: string, signal: AbortSignal): Promise<void> {
  await new Progress(root, runId).reach(3, signal).catch(() => undefined);
  while (!signal.aborted) {
    const sandboxes = [...service.pool.sandboxes].filter(isSlow);
    for (const sandbox of sandboxes) sandbox.signal("SIGSTOP");
    await sleep(STOPPED_MS);
    for (const sandbox of sandboxes) sandbox.signal("SIGCONT");
    await sleep(RUNNING_MS);
  }
}

async function run(runId: string, slowed: boolean): Promise<RunSummary> {
  const logFolder = join(folder, "logs", runId);
  mkdirSync(logFolder, { recursive: true });
  const service = await startLambdaService({
    ...{ port: 0, logFolder, accountConcurrency: 10 },
    runtime: [built("src/providers/local/runtime.ts")],
    functions: [
      {
        ...{ name: "slow", memoryMiB: 1769, timeoutS: 60 },
        ...{ environment: {}, bundlePath: functionFolder, handler: HANDLER },
      },
    ],
  });
  const over = new AbortController();
  const slowing = slowed ? slowDown(service, runId, over.signal) : undefined;
  try {
    return await coordinate({
      ...{ runId, functions: localUri(service.endpoint, "slow"), storage: `fs:${root}` },
      settings: {
        ...{ model: "lenet5", data, workers: 4, "batch-size": 64, epochs: 4, threads: 1 },
        ...{ "lease-ms": 1500, "timeout-s": 60, speculate: slowed ? "on" : "off", "io-thread": "off" },
      },
    });
  } finally {
    over.abort();
    await slowing;
    await service.close();
  }
}

test("a process that gets a ninth of the time is replaced by its copy, and the run has the bits of an undisturbed one", async () => {
  const whole = await run("whole", false);
  const slowed = await run("slowed", true);
  assert.equal(slowed.parametersSha256, whole.parametersSha256);
  const logs = join(folder, "logs", "slowed");
  const lines = readdirSync(logs, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8").split("\n"));
  assert.ok(lines.some((line) => line.includes(`rank=${SLOW} generation=1 reason=speculation`)));
  assert.ok(slowed.byWorker[SLOW]!.restarts >= 1);
});
