import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { SltrainError } from "../../src/errors.ts";
import type { Functions } from "../../src/functions/functions.ts";
import { getJson, putJson } from "../../src/run/json-object.ts";
import { runKeys } from "../../src/run/keys.ts";
import { newestGeneration, observeRank } from "../../src/run/observe-rank.ts";
import { RUN_SCHEMA_VERSION, type WorkerEvent, type WorkerFailure } from "../../src/run/records.ts";
import { openStorage } from "../../src/storage/open.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { Rescue, type RescueOptions } from "../../src/worker/rescue.ts";

const WORLD_SIZE = 4;
const leaseMs = 60;
const keys = runKeys("r");
const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

const eventOf = (rank: number): WorkerEvent => ({
  ...{
    schemaVersion: RUN_SCHEMA_VERSION,
    kind: "worker",
    runId: "r",
    storage: "memory:x",
    channel: "memory:x",
  },
  ...{ functions: "local:x", attempt: 0, workers: 4, rank, generation: 0, reason: "start" },
});

const claim = (storage: Storage, rank: number, generation: number) =>
  putJson(storage, keys.lease(0, rank, generation), { requestId: `${rank}-${generation}` });
const beat = (storage: Storage, rank: number, generation: number, count: number, more: object = {}) =>
  putJson(storage, keys.heartbeat(0, rank, generation), {
    ...{ rank, generation, beat: count, state: "training", step: 7, ...more },
  });

/** The rank beats until the test is over. */
function live(storage: Storage, rank: number, generation: number, more: object = {}): void {
  let beats = 0;
  const timer = setInterval(() => void beat(storage, rank, generation, beats++, more), leaseMs / 4);
  endings.push(() => {
    clearInterval(timer);
  });
}

/** Functions that start nobody but say so, and the events that they got. */
async function place(
  name: string,
  onEvent: (event: WorkerEvent, storage: Storage) => unknown = () => undefined,
) {
  const storage = await openStorage(`memory:rescue-${name}`);
  const events: WorkerEvent[] = [];
  const functions: Functions = {
    async invoke(event) {
      events.push(event as WorkerEvent);
      await onEvent(event as WorkerEvent, storage);
    },
    close: () => Promise.resolve(),
  };
  return { storage, events, functions };
}

/** Rank `rank`'s rescue in step 7. */
function rescueOf(
  { storage, functions }: { storage: Storage; functions: Functions },
  rank: number,
  more: Partial<RescueOptions> = {},
) {
  const vain = Promise.withResolvers<SltrainError>();
  const rescue = new Rescue({
    ...{
      storage,
      functions,
      event: eventOf(rank),
      worldSize: WORLD_SIZE,
      leaseMs,
      maxRestarts: 3,
      exchangeSteps: 1,
    },
    ...{ startMs: leaseMs, step: () => 7, hasWaited: () => false, ...more },
    onVain: (reason) => vain.resolve(reason as SltrainError),
  });
  endings.push(() => rescue.close());
  return { rescue, vain: vain.promise };
}

test("of all who miss a dead rank, one starts its next generation, once", async () => {
  const started = Promise.withResolvers<undefined>();
  const at = await place("once", async ({ rank, generation }, storage) => {
    await claim(storage, rank, generation);
    live(storage, rank, generation);
    started.resolve(undefined);
  });
  await claim(at.storage, 2, 0);
  await beat(at.storage, 2, 0, 5);
  for (const rank of [0, 1, 3]) {
    const { rescue } = rescueOf(at, rank);
    rescue.late([2]);
    rescue.late([2]);
  }
  await started.promise;
  await setTimeout(4 * leaseMs);
  assert.deepEqual(at.events, [{ ...eventOf(2), generation: 1, reason: "rescue" }]);
});

test("a rank that lives is waited for, and one that comes is no longer looked after", async () => {
  const at = await place("alive");
  await claim(at.storage, 1, 0);
  live(at.storage, 1, 0);
  let step = 7;
  const { rescue } = rescueOf(at, 0, { step: () => step });
  rescue.late([1]);
  await setTimeout(4 * leaseMs);
  step++;
  await setTimeout(3 * leaseMs);
  for (const end of endings.splice(0)) await end();
  await setTimeout(3 * leaseMs);
  assert.deepEqual(at.events, []);
});

test("whoever has handed over to nobody gets its successor, and a rank that never came its first worker", async () => {
  const at = await place("handed-over", ({ rank, generation }, storage) => claim(storage, rank, generation));
  await claim(at.storage, 1, 2);
  await beat(at.storage, 1, 2, 90, { state: "handed-over" });
  const { rescue } = rescueOf(at, 0);
  rescue.late([1, 3]);
  const firstOf = (rank: number) => at.events.find((event) => event.rank === rank);
  while (!firstOf(1) || !firstOf(3)) await setTimeout(leaseMs / 4);
  assert.deepEqual(firstOf(1), { ...eventOf(1), generation: 3, reason: "handover" });
  assert.deepEqual(firstOf(3), { ...eventOf(3), generation: 0, reason: "start" });
});

test("who was summoned and does not come is summoned again", async () => {
  const at = await place("tries");
  await claim(at.storage, 1, 0);
  const { rescue } = rescueOf(at, 0);
  rescue.late([1]);
  while (at.events.length < 3) await setTimeout(leaseMs / 4);
  assert.deepEqual(new Set(at.events.map(({ generation }) => generation)), new Set([1]));
  for (const tryNumber of [0, 1, 2]) assert.ok(await getJson(at.storage, keys.summons(0, 1, 1, tryNumber)));
});

test("whoever finds a generation summoned in vain waits for it once, and then makes the next try", async () => {
  const at = await place("taken-over");
  await claim(at.storage, 1, 0);
  for (const tryNumber of [0, 1, 2])
    await putJson(at.storage, keys.summons(0, 1, 1, tryNumber), { reason: "handover", by: "1", step: 7 });
  const { rescue } = rescueOf(at, 0);
  rescue.late([1]);
  await setTimeout(2 * leaseMs);
  assert.deepEqual(at.events, []);
  while (at.events.length < 1) await setTimeout(leaseMs / 4);
  assert.ok(await getJson(at.storage, keys.summons(0, 1, 1, 3)));
});

test("whose last worker has waited in the step as well makes the next try when it has seen the rank dead", async () => {
  const at = await place("waited-before");
  await claim(at.storage, 1, 0);
  await putJson(at.storage, keys.summons(0, 1, 1, 0), { reason: "handover", by: "1", step: 7 });
  // To give it time to come would take longer than anybody here lives.
  const { rescue } = rescueOf(at, 0, { startMs: 1000 * leaseMs, hasWaited: () => true });
  rescue.late([1]);
  while (at.events.length < 1) await setTimeout(leaseMs / 4);
  assert.ok(await getJson(at.storage, keys.summons(0, 1, 1, 1)));
});

test("a rank whose every start dies at one step ends the run, with rank, step and number of starts", async () => {
  const at = await place("dying", ({ rank, generation }, storage) => claim(storage, rank, generation));
  await claim(at.storage, 3, 0);
  const peers = [0, 1, 2].map((rank) => rescueOf(at, rank));
  for (const { rescue } of peers) rescue.late([3]);
  for (const { code, message } of await Promise.all(peers.map(({ vain }) => vain))) {
    assert.equal(code, "peer-failed");
    assert.match(message, /worker 3 .*4 starts .* step 7.*worker-died/);
  }
  assert.equal((await getJson<WorkerFailure>(at.storage, keys.workerFailure(0, 3)))?.code, "worker-died");
  assert.deepEqual(
    at.events.map(({ generation }) => generation),
    [1, 2, 3],
  );
});

test("starts that died at earlier steps do not count", async () => {
  const at = await place("counted");
  for (const generation of [0, 1, 2, 3]) await claim(at.storage, 1, generation);
  for (const [generation, step] of [
    [1, 2],
    [2, 4],
    [3, 6],
  ] as const)
    await putJson(at.storage, keys.summons(0, 1, generation, 0), { reason: "rescue", by: "2", step });
  const { rescue } = rescueOf(at, 0);
  rescue.late([1]);
  while (at.events.length < 1) await setTimeout(leaseMs / 4);
  assert.equal(at.events[0]!.generation, 4);
});

test("a peer that has failed ends the wait with its words", async () => {
  const at = await place("failed");
  await putJson(at.storage, keys.workerFailure(0, 1), {
    ...{
      rank: 1,
      attempt: 0,
      step: 5,
      code: "loss-not-finite",
      message: "the loss is NaN",
      suggestions: ["lr"],
    },
  });
  const { rescue, vain } = rescueOf(at, 0);
  rescue.late([1]);
  const { code, message, suggestions, retryable } = await vain;
  assert.deepEqual([code, suggestions, retryable], ["peer-failed", ["lr"], false]);
  assert.match(message, /worker 1 .* step 5: the loss is NaN \(loss-not-finite\)/);
});

test("who waits for peers that have long gone on gives up, for another start to begin where they are", async () => {
  for (const ahead of ["ahead", "ended"]) {
    const at = await place(ahead);
    await claim(at.storage, 1, 0);
    live(at.storage, 1, 0, { step: 9 });
    if (ahead === "ended") await putJson(at.storage, keys.result(0, 1), { rank: 1, steps: 10 });
    const { rescue, vain } = rescueOf(at, 0);
    rescue.late([1]);
    const { code, retryable } = await vain;
    assert.deepEqual([code, retryable], ["left-behind", true]);
  }
});

test("a rank is observed without anybody's clock: by what changes while a lease passes", async () => {
  const { storage } = await place("observe");
  const of = { storage, keys, attempt: 0, rank: 0 };
  const observe = () => observeRank(of, { leaseMs });
  assert.equal(await newestGeneration(of), -1);
  assert.deepEqual(await observe(), { generation: -1, heartbeat: undefined, state: "dead" });
  for (const generation of [0, 1, 10]) await claim(storage, 0, generation);
  await claim(storage, 10, 11);
  assert.equal(await newestGeneration(of), 10);
  const observed = observe();
  await setTimeout(leaseMs / 2);
  await claim(storage, 0, 11);
  const seen = await observed;
  assert.deepEqual([seen.state, "generation" in seen && seen.generation], ["alive", 11]);
  await beat(storage, 0, 11, 4, { state: "handed-over" });
  assert.equal((await observe()).state, "handed-over");
});

test("who waits for the last means of a run takes it that a peer has ended", async () => {
  const at = await place("last");
  await putJson(at.storage, keys.result(0, 1), { rank: 1, steps: 7 });
  const { rescue, vain } = rescueOf(at, 0);
  rescue.late([1]);
  assert.equal(await Promise.race([vain, setTimeout(4 * leaseMs, "waits")]), "waits");
  assert.deepEqual(at.events, []);
});
