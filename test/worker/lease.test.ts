import assert from "node:assert/strict";
import { test } from "node:test";
import { putJson } from "../../src/run/json-object.ts";
import { runKeys } from "../../src/run/keys.ts";
import { openStorage } from "../../src/storage/open.ts";
import { claim, type ClaimOptions } from "../../src/worker/lease.ts";

const keys = runKeys("r");

/** A successor of generation 0, which has given a first sign of life with so much of its time left. */
async function successor(name: string, remainingMs: number, more: Partial<ClaimOptions> = {}) {
  const storage = await openStorage(`memory:lease-${name}`);
  let beats = 0;
  const beat = () => putJson(storage, keys.heartbeat(0, 0, 0), { beat: beats++, remainingMs });
  await putJson(storage, keys.lease(0, 0, 0), { nonce: "first" });
  await beat();
  const options: ClaimOptions = {
    ...{ storage, keys, attempt: 0, rank: 0, generation: 1, reason: "handover", requestId: "second" },
    ...{ silenceMs: 60_000, patienceMs: () => 60_000, renew: () => assert.fail("nobody needs another one") },
    ...more,
  };
  return { storage, beat, claimed: claim(options) };
}

test("a successor claims as soon as the state lies there", async () => {
  const { storage, claimed } = await successor("state", 60_000);
  await storage.put(keys.handover(0, 0, 0), [new Uint8Array(1)]);
  assert.equal(await claimed, 1);
});

test("a successor takes its predecessor for dead when that one's time is over, however long a lease is", async () => {
  const { claimed } = await successor("over", 20);
  assert.equal(await claimed, 1);
});

test("a successor goes on waiting for a predecessor that beats", async () => {
  const { beat, storage, claimed } = await successor("beats", 60_000, { silenceMs: 60 });
  let settled = false;
  void claimed.then(() => (settled = true));
  for (let i = 0; i < 10; i++) {
    await beat();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(settled, false);
  await putJson(storage, keys.result(0, 0), {});
  assert.equal(await claimed, undefined);
});

test("a successor that has waited away its life has another one started, and ends", async () => {
  let renewed = 0;
  const renew = () => {
    renewed++;
    return Promise.resolve();
  };
  const { beat, claimed } = await successor("renew", 60_000, { silenceMs: 60, patienceMs: () => 0, renew });
  await beat();
  assert.equal(await claimed, undefined);
  assert.equal(renewed, 1);
});
