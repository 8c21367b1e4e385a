// A worker that is killed, by SIGKILL, at any moment of a step: its peers notice, start it again, and the run ends with
// the bits of one in which nobody died.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, describe, test } from "node:test";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Attempt, newestAttempt } from "../../src/run/attempts.ts";
import { getJson } from "../../src/run/json-object.ts";
import type { WorkerEvent, WorkerResult } from "../../src/run/records.ts";
import type { FunctionEnd } from "../../src/worker/handler.ts";
import { LifeCrew, runsFolder, STEPS_PER_EPOCH, WORKERS } from "./life-crew.ts";

const folder = runsFolder();
after(() => folder.remove());
const DOOMED = fileURLToPath(new URL("./doomed-worker.ts", import.meta.url));

/** Where it dies: right before or after the object is there whose path ends so. */
interface Death {
  readonly rank: number;
  readonly when: "before" | "after";
  readonly at: string;
}

async function killed(event: WorkerEvent, { when, at }: Death): Promise<FunctionEnd> {
  const child = spawn(process.execPath, [DOOMED, JSON.stringify(event), when, at], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, NODE_COMPILE_CACHE: join(folder.path, "compiled") },
  });
  const [, signal] = (await once(child, "exit")) as [number | null, string | null];
  assert.equal(signal, "SIGKILL", `rank ${event.rank} was to die ${when} ${at}`);
  return { state: "fenced" };
}

const undisturbed = new Map<string, Promise<readonly string[]>>();

const shasOf = (results: readonly WorkerResult[]) => results.map(({ parametersSha256 }) => parametersSha256);

function expected(settings: Readonly<Record<string, unknown>>): Promise<readonly string[]> {
  const key = JSON.stringify(settings);
  const run = async () => shasOf(await (await LifeCrew.prepare(folder.path, { settings })).run());
  const known = undisturbed.get(key) ?? run();
  undisturbed.set(key, known);
  return known;
}

const part = (step: number, rank: number): string => `/0-${step}-0-[^/]*-${rank}$`;
const mean = (step: number, rank: number): string => `/0-${step}-1-[^/]*-${rank}$`;

const deaths: readonly (readonly [what: string, settings: Record<string, unknown>, death: Death])[] = [
  ["before its part", {}, { rank: 2, when: "before", at: part(9, 2) }],
  ["between its parts and its mean", {}, { rank: 1, when: "before", at: mean(12, 1) }],
  ["between its mean and the update", {}, { rank: 1, when: "after", at: mean(5, 1) }],
  ["as the merger of all", { reduce: "all-reduce" }, { rank: 0, when: "before", at: mean(8, 0) }],
  ["as a merger of a tree", { reduce: "tree:1,2,4" }, { rank: 2, when: "before", at: mean(8, 2) }],
  ["as a merger of its group", { reduce: "hierarchical:2" }, { rank: 2, when: "before", at: mean(4, 2) }],
  ["at an epoch's end", {}, { rank: 2, when: "before", at: "/1-1-0-[^/]*-2$" }],
  ["at a checkpoint", {}, { rank: 0, when: "before", at: "checkpoints/0*17/shared.safetensors$" }],
  [
    "with the last checkpoint unwritten",
    {},
    { rank: 0, when: "before", at: "checkpoints/0*30/shared.safetensors$" },
  ],
  ["with residuals", { compress: "top-k:10%" }, { rank: 1, when: "before", at: mean(17, 1) }],
  [
    "with residuals, at a checkpoint",
    { compress: "top-k:10%" },
    { rank: 2, when: "before", at: "checkpoints/0*17/2.safetensors$" },
  ],
  [
    "with local steps and momentum",
    { algorithm: "local-sgd", "sync-every": 3, optimizer: "momentum" },
    { rank: 1, when: "after", at: part(18, 1) },
  ],
  [
    "with the duals of ADMM",
    { algorithm: "admm", "batch-size": undefined, tolerance: 1e-12, epochs: 8 },
    { rank: 2, when: "after", at: part(5, 2) },
  ],
  [
    "with the clusters of EM",
    { model: "kmeans", clusters: 20, "batch-size": undefined, tolerance: 1e-12, epochs: 6 },
    { rank: 1, when: "before", at: part(3, 1) },
  ],
];

/** Starts all ranks; the first start of one of them dies. */
async function startDoomed(settings: Readonly<Record<string, unknown>>, death: Death): Promise<LifeCrew> {
  const crew = await LifeCrew.prepare(folder.path, {
    settings,
    elsewhere: (event) => {
      const { rank, attempt, generation } = event;
      return rank === death.rank && attempt + generation === 0 ? killed(event, death) : undefined;
    },
  });
  // A process takes long to start, and is not to be missed before it is there.
  void crew.start(crew.eventOf(death.rank));
  const lease = { key: crew.keys.lease(0, death.rank, 0) };
  while ((await crew.storage.get(lease)) === undefined) await setTimeout(5);
  for (let rank = 0; rank < WORKERS; rank++) if (rank !== death.rank) void crew.start(crew.eventOf(rank));
  return crew;
}

describe("a worker that dies", { concurrency: 3 }, () => {
  for (const [what, settings, death] of deaths) {
    test(`${what} is started again by its peers, and changes nothing`, async () => {
      const want = await expected(settings);
      const crew = await startDoomed(settings, death);
      assert.deepEqual(shasOf(await crew.ended()), want);
      // Where the machine is slow, others may be taken for dead too.
      const restarts = crew.started.slice(WORKERS).map(({ event }) => event);
      const mine = restarts.find(({ rank }) => rank === death.rank);
      assert.deepEqual([mine?.generation, mine?.reason], [1, "rescue"]);
    });
  }

  test("out of lockstep has its peers start a new crew at the last checkpoint", async () => {
    const death: Death = { rank: 2, when: "before", at: "/255-14-0-[^/]*-2$" };
    const crew = await startDoomed({ sync: "ssp:2" }, death);
    await crew.ended();
    const newest = await newestAttempt(crew.storage, crew.manifest.runId);
    assert.ok(newest !== undefined && newest.attempt >= 1);
    const next = await getJson<Attempt>(crew.storage, crew.keys.attempt(1));
    assert.equal(next?.checkpointStep, STEPS_PER_EPOCH);
    const results = await crew.ended(newest.attempt);
    assert.equal(new Set(shasOf(results)).size, 1);
    for (const { steps, reason } of results)
      assert.deepEqual([steps, reason], [3 * STEPS_PER_EPOCH, "epochs-done"]);
  });
});
