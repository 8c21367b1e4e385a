import assert from "node:assert/strict";
import { test } from "node:test";
import { type ThrottleOptions, withThrottle } from "../../src/storage/layers/throttle.ts";
import { openStorage } from "../../src/storage/open.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { storageContract } from "../contract/storage.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

storageContract("throttle over memory", async () =>
  withThrottle(await openStorage("memory:throttled"), {
    latencyMs: 0.5,
    jitterMs: 0.5,
    upMBs: 2000,
    downMBs: 2000,
  }),
);

async function throttled(
  options: ThrottleOptions,
): Promise<{ storage: Storage; timeMs: (work: (storage: Storage) => Promise<unknown>) => Promise<number> }> {
  const clock = new VirtualClock();
  const storage = withThrottle(await openStorage("memory:throttle"), { ...options, clock });
  const timeMs = async (work: (storage: Storage) => Promise<unknown>): Promise<number> => {
    const beganMs = clock.nowMs();
    await work(storage);
    return clock.nowMs() - beganMs;
  };
  return { storage, timeMs };
}

const megabyte = [new Uint8Array(1e6)];

test("a request takes the latency and its bytes' share of the bandwidth", async () => {
  const { timeMs } = await throttled({ latencyMs: 20, upMBs: 50, downMBs: 100 });
  assert.equal(await timeMs((storage) => storage.put("k", megabyte)), 40);
  assert.equal(await timeMs((storage) => storage.get({ key: "k" })), 30);
  assert.equal(await timeMs((storage) => storage.get({ key: "absent" })), 20);
  assert.equal(await timeMs((storage) => storage.delete(["k"])), 20);
});

test("transfers side by side share one link each way, and only one latency passes", async () => {
  const { timeMs } = await throttled({ latencyMs: 20, upMBs: 50, downMBs: 100 });
  const four = ["a", "b", "c", "d"];
  assert.equal(await timeMs((storage) => Promise.all(four.map((key) => storage.put(key, megabyte)))), 100);
  assert.equal(await timeMs((storage) => Promise.all(four.map((key) => storage.get({ key })))), 60);
  assert.equal(
    await timeMs((storage) => Promise.all([storage.put("e", megabyte), storage.get({ key: "a" })])),
    40,
  );
});

test("the jitter of a seed is the same each time, and within its bound", async () => {
  const latencies = async (seed: number): Promise<number[]> => {
    const { timeMs } = await throttled({ latencyMs: 5, jitterMs: 10, seed });
    const found: number[] = [];
    for (let i = 0; i < 20; i++) found.push(await timeMs((storage) => storage.get({ key: "absent" })));
    return found;
  };
  const first = await latencies(1);
  assert.deepEqual(await latencies(1), first);
  assert.notDeepEqual(await latencies(2), first);
  assert.ok(Math.min(...first) >= 5 && Math.max(...first) < 15);
});
