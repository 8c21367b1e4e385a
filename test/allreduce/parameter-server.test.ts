// Rounds through parameter servers: what comes out, whatever the timing, and for workers that run twice.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { RandomStream } from "../../src/random.ts";
import { parseCodec } from "../../src/shard/codec/codecs.ts";
import { range, runRound, TIMEOUT_MS } from "../contract/round.ts";
import { assertExact, coded, LENGTH, partOf, runAll, shared, world } from "./served-group.ts";

for (const worldSize of [1, 2, 8]) {
  for (const servers of [1, 2]) {
    test(`${worldSize} ranks with ${servers} servers get the sums in rank order divided by the weight, bit by bit`, async () => {
      const ranks = await world({ worldSize, servers: shared.slice(0, servers) }).joinAll();
      for (const step of range(3)) assertExact(worldSize, step, await runAll(ranks, step));
      const results = await Promise.all(
        ranks.map((rank, r) =>
          rank.reduceScalars({ step: 0, weight: r, timeoutMs: TIMEOUT_MS }, Float64Array.of(r + 0.5)),
        ),
      );
      const total = (worldSize * (worldSize - 1)) / 2;
      for (const result of results) {
        assert.deepEqual(result, { weight: total, scalars: Float64Array.of(total + worldSize / 2) });
      }
    });
  }
}

test("a rank puts each piece once, and asks each server once for the means of a round", async () => {
  const ranks = await world({ worldSize: 2, servers: shared }).joinAll();
  const joined = ranks[0]!.stats.requests;
  await runAll(ranks, 0);
  // Five buckets, of which those of 64 elements have one piece and the others one for each server.
  assert.deepEqual([joined, ranks[0]!.stats.requests - joined], [2, 7 + 2]);
});

test("one rank asks no server", async () => {
  const [rank] = await world({ worldSize: 1 }).joinAll();
  assertExact(1, 0, [await runRound(rank!, 0, partOf(0, 0))]);
  assert.equal(rank!.stats.requests, 0);
});

test("the timing of pushes changes no bit, and buckets may be pushed from shared memory", async () => {
  for (const seed of range(3)) {
    const random = new RandomStream(seed, "pause");
    const ranks = await world({ servers: shared }).joinAll();
    const outcomes = ranks.map((rank, r) => {
      const part = partOf(r, 0);
      const vector = new Float32Array(new SharedArrayBuffer(LENGTH * 4));
      vector.set(part.sums);
      return runRound(rank, 0, part, { vector, pause: () => sleep(random.nextUniform() * 8) });
    });
    assertExact(3, 0, await Promise.all(outcomes));
  }
});

for (const name of ["bf16", "int8", "top-k:10%", "sign"]) {
  test(`${name} leaves all ranks with the same bits, and loses nothing for good`, async () => {
    const codec = parseCodec(name);
    const ranks = await world({ servers: shared, codec, zstd: "on" }).joinAll();
    const constant = range(3).map((rank) => ({ ...partOf(rank, 0), weight: 1 }));
    const total = new Float64Array(LENGTH);
    const steps = 60;
    for (const step of range(steps)) {
      const outcomes = await Promise.all(ranks.map((rank, r) => runRound(rank, step, constant[r]!)));
      for (const { mean } of outcomes) assert.deepEqual(mean, outcomes[0]!.mean);
      outcomes[0]!.mean.forEach((value, i) => (total[i]! += value));
    }
    // What a biased codec has not sent yet is in residuals, which do not grow with the number of steps.
    const largest = Math.max(...constant.flatMap(({ sums }) => [...sums.map(Math.abs)]));
    for (const [i, sum] of total.entries()) {
      const exact = constant.reduce((part, { sums }) => part + sums[i]!, 0) / 3;
      const error = Math.abs(sum / steps - exact) / largest;
      assert.ok(error < 0.25, `element ${i}: off by ${error} of the largest`);
    }
  });
}

test("two runs on one server do not see each other", async () => {
  const [a, b] = await Promise.all([world().joinAll(), world().joinAll()]);
  const [first, second] = await Promise.all([runAll(a, 0), runAll(b, 1)]);
  assertExact(3, 0, first);
  assertExact(3, 1, second);
});

describe("a worker that runs twice", () => {
  test("leaves all with the same bits, whichever of the two was faster", async () => {
    const group = world();
    const [ranks, twin] = [await group.joinAll(), await group.join(2)];
    for (const step of range(3)) {
      const doubled = runRound(twin, step, partOf(2, step), step % 2 ? { pause: () => sleep(5) } : {});
      assertExact(3, step, [...(await runAll(ranks, step)), await doubled]);
    }
  });

  test("gets the round's mean when it comes after it, and changes nothing", async () => {
    const group = world();
    await runAll(await group.joinAll(), 0);
    assertExact(3, 0, [await runRound(await group.join(1, { generation: 1 }), 0, partOf(1, 0, 9))]);
  });

  test("ends a round in whose middle it was killed with the same bits", async () => {
    for (const pushes of range(5)) {
      const group = world();
      const ranks = await group.joinAll();
      const stop = new AbortController();
      const { sums, weight } = partOf(0, 0);
      const dying = ranks[0]!.begin({ step: 0, weight, timeoutMs: TIMEOUT_MS, signal: stop.signal });
      ranks[0]!.buckets
        .slice(0, pushes)
        .forEach(({ begin, end }, i) => dying.push(i, sums.subarray(begin, end)));
      await sleep(pushes);
      stop.abort(new Error("killed"));
      const alive = [1, 2].map((rank) => runRound(ranks[rank]!, 0, partOf(rank, 0)));
      const restarted = await runRound(await group.join(0, { generation: 1 }), 0, partOf(0, 0));
      assertExact(3, 0, [restarted, ...(await Promise.all(alive))]);
    }
  });

  test("replays the means since the last durable checkpoint, and no further", async () => {
    const group = world();
    const ranks = await group.joinAll();
    for (const step of range(6)) {
      await Promise.all(ranks.map((rank) => rank.sweep(step, 1)));
      await runAll(ranks, step);
    }
    const restarted = await group.join(1, { generation: 1 });
    for (const step of [2, 3, 4, 5]) {
      assertExact(3, step, [await runRound(restarted, step, partOf(1, step, 9))]);
    }
    await assert.rejects(
      runRound(await group.join(1, { generation: 1 }), 1, partOf(1, 1)),
      coded("mean-forgotten", "step 1"),
    );
  });
});
