import assert from "node:assert/strict";
import { test } from "node:test";
import { SltrainError } from "../../src/errors.ts";
import { type FaultPlan, withFaults } from "../../src/storage/layers/faults.ts";
import { openStorage } from "../../src/storage/open.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { storageContract } from "../contract/storage.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);

storageContract("faults that strike nothing", async () =>
  withFaults(await openStorage("memory:faultless"), {}),
);

async function faulty(name: string, plan: FaultPlan): Promise<{ storage: Storage; truth: Storage }> {
  const truth = await openStorage(`memory:${name}`);
  await truth.put("k", [bytes]);
  return { storage: withFaults(truth, plan), truth };
}

test("a share of the requests is refused before it does anything, the same for the same seed", async () => {
  const outcomes = async (name: string, seed: number): Promise<boolean[]> => {
    const { storage, truth } = await faulty(name, { errors: 0.3, seed });
    const refused: boolean[] = [];
    for (let i = 0; i < 200; i++) {
      const put = storage.put(`refused/${i}`, [bytes]);
      const isRefused = await put.then(
        () => false,
        (error: unknown) =>
          error instanceof SltrainError && error.retryable && error.message.includes(`refused/${i}`),
      );
      assert.equal((await truth.get({ key: `refused/${i}` })) === undefined, isRefused);
      refused.push(isRefused);
    }
    return refused;
  };
  const first = await outcomes("faults-1", 1);
  const share = first.filter(Boolean).length / first.length;
  assert.ok(share > 0.2 && share < 0.4);
  assert.deepEqual(await outcomes("faults-2", 1), first);
  assert.notDeepEqual(await outcomes("faults-3", 2), first);
});

test("a request whose answer is lost was done", async () => {
  const { storage, truth } = await faulty("lost", { lostAnswers: 1 });
  await assert.rejects(storage.put("new", [bytes]), { code: "storage-unreachable", retryable: true });
  assert.deepEqual(await truth.get({ key: "new" }), bytes);
});

test("a damaged get differs in one bit, and a truncated one lacks its end; the object is whole", async () => {
  const { storage, truth } = await faulty("damaged", { damages: 1 });
  const damaged = await storage.get({ key: "k" });
  const differing = [...damaged!].map((byte, i) => byte ^ bytes[i]!).filter((xor) => xor !== 0);
  assert.equal(differing.length, 1);
  assert.equal(Math.log2(differing[0]!) % 1, 0);
  const { storage: short } = await faulty("truncated", { truncations: 1 });
  const truncated = await short.get({ key: "k" });
  assert.ok(truncated !== undefined && truncated.length < bytes.length);
  assert.deepEqual(truncated, bytes.subarray(0, truncated.length));
  assert.deepEqual(await truth.get({ key: "k" }), bytes);
});

test("an evicted object is gone", async () => {
  const { storage, truth } = await faulty("evicted", { evictions: 1 });
  assert.equal(await storage.get({ key: "k" }), undefined);
  assert.equal(await truth.get({ key: "k" }), undefined);
});

test("during an outage nothing is answered, before and after it all is", async () => {
  const clock = new VirtualClock();
  const { storage } = await faulty("outage", { outageAfterMs: 1000, outageMs: 5000, clock });
  const isUp = () =>
    storage.get({ key: "k" }).then(
      () => true,
      () => false,
    );
  const upAt: [atS: number, up: boolean][] = [];
  for (const atS of [0, 0.9, 1, 3, 5.9, 6, 100]) {
    await clock.sleep(atS * 1000 - clock.nowMs());
    upAt.push([atS, await isUp()]);
  }
  assert.deepEqual(
    upAt.filter(([, up]) => !up).map(([atS]) => atS),
    [1, 3, 5.9],
  );
});

test("a delayed request takes longer", async () => {
  const clock = new VirtualClock();
  const { storage } = await faulty("delayed", { delays: 1, delayMs: 300, clock });
  await storage.get({ key: "k" });
  assert.equal(clock.nowMs(), 300);
});
