import assert from "node:assert/strict";
import { test } from "node:test";
import { RandomStream } from "../../src/random.ts";
import { askSparingly } from "../../src/storage/sparse-wait.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

interface Waited {
  readonly misses: number;
  /** Between the moment when an object was there and its arrival, by index. */
  readonly delaysMs: readonly number[];
  readonly missing: readonly number[];
}

const LATENCY_MS = 20;
const MAX_PAUSE_MS = 1000;

/** Waits from time 0 for objects that come at `comesMs`, each request taking 20 ms. */
async function wait(comesMs: readonly number[], untilMs = Infinity): Promise<Waited> {
  const clock = new VirtualClock();
  let misses = 0;
  const asking = {
    refs: comesMs.map((_, i) => ({ key: String(i) })),
    clock,
    untilMs,
    signal: undefined,
    async get({ key }: { readonly key: string }): Promise<Uint8Array | undefined> {
      await clock.sleep(LATENCY_MS / 2);
      const isThere = clock.nowMs() >= comesMs[Number(key)]!;
      await clock.sleep(LATENCY_MS / 2);
      if (!isThere) misses++;
      return isThere ? new Uint8Array(1) : undefined;
    },
  };
  const delaysMs: number[] = comesMs.map(() => NaN);
  const arrivals = askSparingly(asking, [...comesMs.keys()], MAX_PAUSE_MS);
  for (;;) {
    const next = await arrivals.next();
    if (next.done === true) return { misses, delaysMs, missing: next.value };
    delaysMs[next.value.index] = clock.nowMs() - comesMs[next.value.index]!;
  }
}

/** Probes that find nothing until an object that is `lateMs` late. */
const probes = (lateMs: number): number => 3 + Math.log(Math.max(1, lateMs / 8)) / Math.log(1.5);

test("objects that are there cost no miss, and come after two requests side by side", async () => {
  const { misses, delaysMs } = await wait(Array<number>(100).fill(0));
  assert.equal(misses, 0);
  assert.equal(Math.max(...delaysMs), 2 * LATENCY_MS);
});

test("objects that come together cost the probes for one of them, whatever their number", async () => {
  for (const lateMs of [1, 10, 100, 1000, 2000]) {
    const { misses } = await wait(Array<number>(100).fill(lateMs));
    assert.ok(misses <= probes(lateMs), `${misses} misses at ${lateMs} ms`);
  }
});

test("a lone object is noticed late by at most half its lateness, a pause and a request", async () => {
  for (const lateMs of [1, 10, 100, 1000, 10_000]) {
    const { misses, delaysMs } = await wait([lateMs]);
    assert.ok(delaysMs[0]! <= Math.min(lateMs / 2, MAX_PAUSE_MS) + 4 + 1.5 * LATENCY_MS, `${delaysMs[0]} ms`);
    assert.ok(misses <= probes(Math.min(lateMs, 2 * MAX_PAUSE_MS)) + lateMs / MAX_PAUSE_MS);
  }
});

test("objects that come one by one cost two misses each and their probes, in any order", async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const random = new RandomStream(seed, "arrivals");
    const comesMs = Array.from({ length: 100 }, () => 2000 * random.nextUniform());
    const { misses, missing } = await wait(comesMs);
    assert.deepEqual(missing, []);
    assert.ok(misses <= 200 + probes(2000) * 4, `${misses} misses`);
  }
});

test("a straggler does not hold up the others", async () => {
  const { delaysMs } = await wait([5000, ...Array<number>(50).fill(100)]);
  assert.ok(
    Math.max(...delaysMs.slice(1)) <= 50 + 4 * LATENCY_MS + 60,
    `${Math.max(...delaysMs.slice(1))} ms`,
  );
});

test("at the deadline all that is missing is asked for once more, and what is not there is told", async () => {
  const { missing, delaysMs } = await wait([Infinity, 990, 0, 995], 1000);
  assert.deepEqual(missing, [0]);
  assert.ok(delaysMs[1]! < 100 && delaysMs[3]! < 100);
});
