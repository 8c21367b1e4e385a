// What every collective promises to a rank that starts anew: rounds from their mean frames alone.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Collective } from "../../src/allreduce/collective.ts";
import { meanObjects } from "../../src/allreduce/objects.ts";
import { assertSameBits, layout, type Outcome, range, TIMEOUT_MS } from "./round.ts";
import type { Worlds } from "./world.ts";

async function replayed(collective: Collective, step: number): Promise<Outcome | undefined> {
  const mean = new Float32Array(layout.length);
  const result = await collective.replay({ step, weight: 1, timeoutMs: TIMEOUT_MS }, mean);
  return result && { result, mean };
}

export function collectiveReplay({ lanes, world, runAll, keysOf }: Worlds): void {
  for (const [worldSize, restarting] of [
    [2, [0, 1]],
    [3, [0, 1, 2]],
    [8, [1, 4]],
  ] as const) {
    test(`of ${worldSize} ranks any may start anew, replay rounds without pushing, and go on with the others' bits`, async () => {
      for (const rank of restarting) {
        const group = await world(worldSize);
        const outcomes: Outcome[] = [];
        for (const step of range(3)) {
          outcomes.push((await runAll(group, step))[0]!);
          await Promise.all(group.ranks.map((one) => one.sweep(step + 1, 0)));
        }
        const restarted = await group.join(rank, 1);
        const before = (await keysOf(group)).length;
        for (const step of [1, 2]) assertSameBits([outcomes[step]!, (await replayed(restarted, step))!]);
        assert.equal((await keysOf(group)).length, before);
        assert.equal(await replayed(restarted, 3), undefined);
        assert.deepEqual(restarted.state, group.ranks[rank]!.state);

        const ranks = group.ranks.with(rank, restarted);
        const next = { ...group, ranks };
        for (const step of [3, 4]) assertSameBits(await runAll(next, step));
        await Promise.all(ranks.map((one) => one.sweep(6, 4)));
        assert.deepEqual(await keysOf(group), []);
      }
    });
  }

  test("a first start has nothing to replay, and neither has one whose means have been swept", async () => {
    const group = await world(3);
    await runAll(group, 0);
    assert.equal(await replayed(await group.join(1), 0), undefined);
    await runAll(group, 1);
    await Promise.all(group.ranks.map((one) => one.sweep(2, 0)));
    assert.equal(await replayed(await group.join(1, 1), 0), undefined);
  });

  test("what a rank did not live to pass on to its group, it passes on when it replays the round", async () => {
    const worldSize = 8;
    const group = await world(worldSize);
    const outcomes = await runAll(group, 0);
    const [bucket] = lanes.gradients.buckets;
    const plan = lanes.gradients.reduce.plan(bucket!, worldSize, 0);
    for (const rank of range(worldSize)) {
      if (meanObjects(plan, rank).every(({ level }) => level === plan.levels)) continue;
      const relayed = (key: string): boolean => key.endsWith(`/0-0-${plan.levels + 1}-0-all-${rank}`);
      const before = await keysOf(group);
      await group.storage.delete(before.filter(relayed));
      assert.ok((await keysOf(group)).length < before.length);
      assertSameBits([outcomes[0]!, (await replayed(await group.join(rank, 1), 0))!]);
      assert.deepEqual(await keysOf(group), before);
    }
  });

  test("scalars of epochs are replayed apart from rounds", async () => {
    const group = await world(3);
    const epoch = (rank: Collective, r: number) =>
      rank.reduceScalars({ step: 0, weight: r, timeoutMs: TIMEOUT_MS }, Float64Array.of(r + 0.5));
    const results = await Promise.all(group.ranks.map(epoch));
    const restarted = await group.join(2, 1);
    const options = { step: 0, weight: 1, timeoutMs: TIMEOUT_MS };
    assert.deepEqual(await restarted.replayScalars(options), results[0]);
    assert.equal(await restarted.replayScalars({ ...options, step: 1 }), undefined);
    await runAll(group, 0);
    assert.ok((await replayed(restarted, 0)) !== undefined);
  });

  test("the last scalars stay for who is slow, also if a rank has seen no step before them", async () => {
    const group = await world(3);
    const options = { step: 3, weight: 1, timeoutMs: TIMEOUT_MS };
    const results = await Promise.all(
      group.ranks.map((rank, r) => rank.reduceScalars(options, Float64Array.of(r))),
    );
    await Promise.all(group.ranks.map((rank) => rank.sweep(31, 29)));
    assert.deepEqual(await (await group.join(1, 1)).replayScalars(options), results[0]);
  });
}
