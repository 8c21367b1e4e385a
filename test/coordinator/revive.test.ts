import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import type { Crew } from "../../src/run/crew.ts";
import { Revival } from "../../src/coordinator/revive.ts";
import { WorkerFailed } from "../../src/coordinator/watch.ts";
import type { Functions } from "../../src/functions/functions.ts";
import { getJson, putJson } from "../../src/run/json-object.ts";
import { runKeys } from "../../src/run/keys.ts";
import type { WorkerEvent } from "../../src/run/records.ts";
import { openStorage } from "../../src/storage/open.ts";

const SILENCE_MS = 30;
const keys = runKeys("r");
const crew = {
  attempt: 0,
  manifest: { runId: "r", config: { maxRestarts: 2 } },
  record: { storage: "memory:x", channel: "memory:x", functions: "local:x" },
} as unknown as Crew;

async function reviving(name: string, options: { summons?: boolean; startsSuccessors?: boolean } = {}) {
  const storage = await openStorage(`memory:${name}`);
  const invoked: string[] = [];
  const functions: Functions = {
    invoke: (event) => {
      const { rank, generation, reason } = event as WorkerEvent;
      invoked.push(`${rank}.${generation} ${reason}`);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
  const revival = new Revival({
    ...{ storage, crew, functions, silenceMs: SILENCE_MS },
    ...{ summons: true, startsSuccessors: false, ...options },
  });
  let beats = 0;
  const beat = (rank: number, generation: number, state = "training") =>
    putJson(storage, keys.heartbeat(0, rank, generation), { rank, generation, beat: beats++, state });
  return { storage, revival, invoked, beat };
}

test("only who is silent is summoned, once, whoever wants it", async () => {
  const { revival, invoked, beat } = await reviving("silent");
  const open = [
    { rank: 0, generation: 0 },
    { rank: 1, generation: 0 },
  ];
  await beat(0, 0);
  await beat(1, 0);
  assert.deepEqual(await revival.look(open, 7), []);
  await sleep(2 * SILENCE_MS);
  await beat(0, 0);
  assert.deepEqual(await revival.look(open, 7), [1]);
  await beat(0, 0);
  assert.deepEqual(await revival.look(open, 7), [1]);
  assert.deepEqual(invoked, ["1.1 rescue"]);
});

test("a generation that others have summoned in vain is given time, and then summoned once more", async (t) => {
  const { storage, revival, invoked, beat } = await reviving("in-vain");
  const open = [{ rank: 1, generation: 0 }];
  for (const tryNumber of [0, 1]) await putJson(storage, keys.summons(0, 1, 1, tryNumber), { step: 7 });
  await beat(1, 0);
  await revival.look(open, 7);
  await sleep(2 * SILENCE_MS);
  let now = performance.now();
  t.mock.method(performance, "now", () => now);
  await revival.look(open, 7);
  assert.deepEqual(invoked, []);
  now += 5_000;
  await revival.look(open, 7);
  assert.deepEqual(invoked, ["1.1 rescue"]);
  assert.ok(await getJson(storage, keys.summons(0, 1, 1, 2)));
});

test("silence counts from when the run last came further", async () => {
  const { revival, invoked, beat } = await reviving("progress");
  const open = [{ rank: 0, generation: 0 }];
  await beat(0, 0);
  await revival.look(open, 7);
  await sleep(2 * SILENCE_MS);
  revival.progressed();
  assert.deepEqual(await revival.look(open, 8), []);
  assert.deepEqual(invoked, []);
});

test("a rank that dies at one step more often than is allowed is given up, naming both", async () => {
  const { revival, invoked, beat } = await reviving("again");
  const dieAs = async (generation: number, step: number) => {
    await beat(1, generation);
    await revival.look([{ rank: 1, generation }], step);
    await sleep(2 * SILENCE_MS);
    await revival.look([{ rank: 1, generation }], step);
  };
  await dieAs(0, 7);
  await dieAs(1, 7);
  // The run came further: the count begins anew.
  await dieAs(2, 8);
  await dieAs(3, 8);
  await assert.rejects(dieAs(4, 8), (error) => {
    assert.ok(error instanceof WorkerFailed);
    assert.match(error.failure.message, /^worker 1 at step 8 died 3 times/);
    return true;
  });
  assert.equal(invoked.length, 4);
});

test("a coordinator that starts successors does so at once, another leaves them the time of a lease", async () => {
  for (const startsSuccessors of [true, false]) {
    const { revival, invoked, beat } = await reviving(`handover-${startsSuccessors}`, { startsSuccessors });
    await beat(2, 0, "handed-over");
    await revival.look([{ rank: 2, generation: 0 }], 7);
    assert.deepEqual(invoked, startsSuccessors ? ["2.1 handover"] : []);
    await sleep(2 * SILENCE_MS);
    await revival.look([{ rank: 2, generation: 0 }], 7);
    assert.deepEqual(invoked, ["2.1 handover"]);
  }
});

test("where nobody is to be started, the silent are only named", async () => {
  const { revival, invoked, beat } = await reviving("told", { summons: false });
  await beat(0, 0);
  await revival.look([{ rank: 0, generation: 0 }], 7);
  await sleep(2 * SILENCE_MS);
  assert.deepEqual(await revival.look([{ rank: 0, generation: 0 }], 7), [0]);
  assert.deepEqual(invoked, []);
});
