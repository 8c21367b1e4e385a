import assert from "node:assert/strict";
import { test } from "node:test";
import { putJson } from "../../src/run/json-object.ts";
import { runKeys } from "../../src/run/keys.ts";
import { openStorage } from "../../src/storage/open.ts";
import { claim, type ClaimOptions } from "../../src/worker/lease.ts";

const keys = runKeys("r");

/** A rank whose generation 0 is held by a worker that has given a first sign of life. */
async function held(name: string) {
  const storage = await openStorage(`memory:lease-${name}`);
  let beats = 0;
  const beat = (generation = 0) => putJson(storage, keys.heartbeat(0, 0, generation), { beat: beats++ });
  await putJson(storage, keys.lease(0, 0, 0), { nonce: "first" });
  await beat();
  const claimOf = (more: Partial<ClaimOptions>) =>
    claim({
      ...{ storage, keys, attempt: 0, rank: 0, generation: 0, reason: "start", requestId: "second" },
      ...{ silenceMs: 60, ...more },
    });
  /** What `claimed` gives while that generation lives. */
  const whileAlive = async <T>(generation: number, claimed: Promise<T>): Promise<T> => {
    const beating = setInterval(() => void beat(generation), 5);
    return claimed.finally(() => clearInterval(beating));
  };
  return { storage, whileAlive, claimOf };
}

test("a successor claims at once, and a second one of its generation ends if the first one lives", async () => {
  const { whileAlive, claimOf } = await held("successor");
  assert.equal(await claimOf({ generation: 1, reason: "handover", silenceMs: 60_000 }), 1);
  const again = claimOf({ generation: 1, reason: "handover", requestId: "third" });
  assert.equal(await whileAlive(1, again), undefined);
});

test("a successor whose first start has died takes the generation after it", async () => {
  const { claimOf } = await held("dead-successor");
  assert.equal(await claimOf({ generation: 1, reason: "handover" }), 1);
  assert.equal(await claimOf({ generation: 1, reason: "handover", requestId: "third" }), 2);
});

test("a start that is delivered twice ends while the first one beats, and takes over where it is silent", async () => {
  const { whileAlive, claimOf } = await held("twice");
  assert.equal(await whileAlive(0, claimOf({})), undefined);
  assert.equal(await claimOf({}), 1);
});

test("a rank that has ended needs nobody, and what was claimed for it is given back", async () => {
  const { storage, claimOf } = await held("ended");
  await putJson(storage, keys.result(0, 0), {});
  assert.equal(await claimOf({ generation: 1, reason: "handover" }), undefined);
  assert.equal(await storage.get({ key: keys.lease(0, 0, 1) }), undefined);
});
