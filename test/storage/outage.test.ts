// Stores that fail for a while, or for good: what can pass is waited out, what cannot is told at once.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { openCollective } from "../../src/allreduce/open-collective.ts";
import { parseReduce } from "../../src/allreduce/patterns/index.ts";
import { parseCodec } from "../../src/shard/codec/codecs.ts";
import type { Layout } from "../../src/shard/layout.ts";
import { withFaults } from "../../src/storage/layers/faults.ts";
import { withRetry } from "../../src/storage/layers/retry.ts";
import { openChannel, openStorage } from "../../src/storage/open.ts";
import { collect } from "../contract/collect.ts";
import { noise } from "../contract/objects.ts";
import { startMemcached } from "../servers/memcached.ts";
import { startRedis } from "../servers/redis.ts";
import { freePort } from "../servers/server.ts";
import { needs } from "../support/requirement.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const exact = {
  ...{ runId: "r", generation: 0, seed: 1, bucketBytes: 1e6, zstd: "off" as const },
  ...{ reduce: parseReduce("scatter-reduce"), codec: parseCodec("f32") },
};

function flat(length: number): Layout {
  return { entries: [{ name: "w", shape: [length], offset: 0, length }], length };
}

test("503 for five seconds is waited out, also by a put and a wait that are under way", async () => {
  const clock = new VirtualClock();
  const memory = await openStorage("memory:outage-5s");
  const faulty = withFaults(memory, { outageMs: 5000, clock });
  const storage = withRetry(faulty, { clock });
  const waiting = collect(storage.waitFor([{ key: "k" }], { timeoutMs: 60_000 }));
  assert.equal(await storage.put("k", [Uint8Array.of(1)]), "stored");
  assert.equal((await waiting).length, 1);
  assert.ok(clock.nowMs() >= 5000 && clock.nowMs() <= 15_000, `${clock.nowMs()} ms`);
});

test("503 for good ends at the deadline with the key, the tries and the time", async () => {
  const clock = new VirtualClock();
  const faulty = withFaults(await openStorage("memory:outage"), { outageMs: Infinity, clock });
  const storage = withRetry(faulty, { clock });
  await assert.rejects(storage.put("runs/a/b", [Uint8Array.of(1)]), {
    code: "storage-throttled",
    message: /put runs\/a\/b.*503.*tried \d+ times in (4\d|5\d|60)\.\d s/,
  });
  assert.ok(clock.nowMs() <= 60_000);
});

test("a collective over a store that refuses, loses answers and delays gives the bits of one that does not", async () => {
  const [worldSize, length] = [3, 1000];
  const means = async (query: string): Promise<Float32Array[]> => {
    const run = await Promise.all(
      Array.from({ length: worldSize }, async (_, rank) => {
        const channel = await openStorage(
          `memory:faults-${query}${query === "" ? "" : `?${query}&seed=${rank}`}`,
        );
        const collective = await openCollective({ ...exact, channel, rank, worldSize, layout: flat(length) });
        const mean = new Float32Array(length);
        for (let step = 0; step < 6; step++) {
          const round = collective.begin({ step, weight: rank + 1, timeoutMs: 20_000 });
          const sums = Float32Array.from({ length }, (_, i) => Math.sin(i * (rank + 1) + step) + mean[i]!);
          collective.buckets.forEach(({ begin, end }, bucket) =>
            round.push(bucket, sums.subarray(begin, end)),
          );
          await round.finish(Float64Array.of(rank), mean);
          await collective.sweep(step + 1, -1);
        }
        return mean;
      }),
    );
    return run;
  };
  const right = await means("");
  assert.deepEqual(await means("errors=0.1&lostAnswers=0.1&delays=0.1&delayMs=3"), right);
});

describe("a redis server that dies", needs("redis"), () => {
  test("in the middle of a put and of a wait, and is started again, is waited out", async () => {
    const port = await freePort();
    const first = await startRedis([], port);
    const storage = await openStorage(first.uri);
    await storage.put("connected", [Uint8Array.of(1)]);
    const value = noise(60_000_000);
    const waiting = collect(storage.waitFor([{ key: "late" }], { timeoutMs: 30_000 }));
    const putting = storage.put("large", [value]);
    await first.stop();
    await setTimeout(300);
    const second = await startRedis([], port);
    assert.equal(await putting, "stored");
    await storage.put("large", [value]);
    await storage.put("late", [Uint8Array.of(7)]);
    assert.deepEqual((await waiting)[0]?.bytes[0], 7);
    const back = await storage.get({ key: "large" });
    assert.ok(back !== undefined && Buffer.compare(back, value) === 0);
    assert.ok(storage.reading.retries > 0);
    await storage.close();
    await second.stop();
  });
});

describe("a memcached server that dies", needs("memcached"), () => {
  test("in the middle of a round, and is started again with nothing, changes no bit", async (t) => {
    const [worldSize, length, steps] = [2, 1000, 5];
    const port = await freePort();
    let server = await startMemcached([], port);
    t.after(() => server.stop());
    const means = await Promise.all(
      Array.from({ length: worldSize }, async (_, rank) => {
        const channel = await openChannel(server.uri);
        const collective = await openCollective({ ...exact, channel, rank, worldSize, layout: flat(length) });
        const mean = new Float32Array(length);
        for (let step = 0; step < steps; step++) {
          const round = collective.begin({ step, weight: 1, timeoutMs: 20_000 });
          if (rank === 1 && step === 2) {
            await server.stop();
            // Longer than a single wait of the other rank lasts.
            await setTimeout(1500);
            server = await startMemcached([], port);
          }
          const sums = Float32Array.from({ length }, (_, i) => rank + step + i + mean[i]!);
          collective.buckets.forEach(({ begin, end }, bucket) =>
            round.push(bucket, sums.subarray(begin, end)),
          );
          await round.finish(Float64Array.of(rank), mean);
        }
        await collective.close();
        await channel.close();
        return mean;
      }),
    );
    assert.deepEqual(means[0], means[1]);
    // mean[i] grows by i + step + the mean rank at every step.
    assert.deepEqual([...means[0]!.subarray(0, 3)], [12.5, 17.5, 22.5]);
  });
});
