// What every collective tells of damaged and foreign frames, of peers that are missing, and of rounds without samples.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { frameKey, type ObjectAddress } from "../../src/allreduce/keys.ts";
import { assertSameBits, coded, partOf, range, runRound } from "./round.ts";
import type { Worlds } from "./world.ts";

export function collectiveErrors({ lanes, world, runAll }: Worlds): void {
  test("a round without samples is an error on every rank", async () => {
    const group = await world(2);
    const rounds = group.ranks.map((rank, r) => runRound(rank, 7, { ...partOf(r, 0), weight: 0 }));
    for (const round of await Promise.allSettled(rounds)) {
      assert.ok(round.status === "rejected" && coded("weight-zero", "step 7")(round.reason));
    }
  });

  const damages: readonly (readonly [
    what: string,
    code: string,
    change: (bytes: Uint8Array) => Uint8Array,
  ])[] = [
    ["flipped bit in its head", "frame-damaged", (bytes) => bytes.with(70, bytes[70]! ^ 4)],
    ["flipped bit", "frame-damaged", (bytes) => bytes.with(bytes.length - 3, bytes.at(-3)! ^ 4)],
    ["cut end", "frame-damaged", (bytes) => bytes.subarray(0, -1)],
    ["cut header", "frame-damaged", (bytes) => bytes.subarray(0, 30)],
    ["added byte", "frame-damaged", (bytes) => Buffer.concat([bytes, Uint8Array.of(0)])],
  ];
  /** An object that one rank of two reads of the other, in the longest bucket. */
  const readObject = (stage: "sum" | "mean", step: number): { reader: number; address: ObjectAddress } => {
    const { buckets, reduce, packed } = lanes.gradients;
    const bucket = buckets.length > 1 ? 1 : 0;
    const plan = reduce.plan(buckets[bucket]!, 2, bucket);
    const common = { lane: 0, step, bucket };
    if (stage === "mean") {
      const rank = plan.means[0]!.owner;
      return { reader: 1 - rank, address: { ...common, level: plan.levels, piece: 0, rank } };
    }
    const published = range(plan.levels).flatMap((level) => range(2).map((rank) => ({ level, rank })));
    const { level, rank } = published.find((one) => plan.published(one.level, one.rank).length > 0)!;
    return { reader: 1 - rank, address: { ...common, level, ...(packed ? {} : { piece: 0 }), rank } };
  };
  for (const stage of ["sum", "mean"] as const) {
    // What is behind the frames in their slots is never read.
    const visible = lanes.gradients.packed && stage === "sum" ? damages.slice(0, 1) : damages;
    for (const [what, code, change] of visible) {
      test(`a ${stage} with a ${what} is an error that names the key`, async () => {
        const source = await world(2);
        await runAll(source, 0);
        const { reader, address } = readObject(stage, 0);
        const bytes = await source.storage.get({ key: frameKey(source.runId, address) });
        assert.ok(bytes !== undefined);
        await source.storage.put(frameKey(source.runId, address), [change(bytes)]);
        await assert.rejects(
          runRound(await source.join(reader), 0, partOf(reader, 0)),
          coded(code, frameKey(source.runId, address)),
        );
      });
    }

    test(`a ${stage} of another step is an error that names the key and both steps`, async () => {
      const group = await world(2);
      await runAll(group, 0);
      const { address } = readObject(stage, 0);
      const bytes = await group.storage.get({ key: frameKey(group.runId, address) });
      const key = frameKey(group.runId, { ...address, step: 3 });
      await group.storage.put(key, [bytes!]);
      await assert.rejects(
        Promise.all(group.ranks.map((rank, r) => runRound(rank, 3, partOf(r, 3), { timeoutMs: 300 }))),
        coded("frame-foreign", key, "step 3", "got 0"),
      );
    });
  }

  test("a missing peer times out with its rank, the step and the key", async () => {
    const group = await world(3);
    const present = [0, 2].map((r) => runRound(group.ranks[r]!, 5, partOf(r, 5), { timeoutMs: 60 }));
    const messages = (await Promise.allSettled(present)).map((round) => {
      assert.ok(round.status === "rejected" && coded("peer-missing", "step 5", group.runId)(round.reason));
      return (round.reason as Error).message;
    });
    // Whoever waits for it says so; a rank that waits for a mean hears of nobody but its owner.
    assert.ok(messages.some((message) => /rank 1's part .* within \d+ ms/.test(message)));
  });

  test("ranks are told of a peer that is late, and go on with it when it has come", async () => {
    for (const late of [0, 1, 2]) {
      const told: (readonly [by: number, ranks: readonly number[]])[] = [];
      const enough = Promise.withResolvers<undefined>();
      const group = await world(3, undefined, (by) => ({
        leaseMs: 15,
        onLate(ranks) {
          told.push([by, ranks]);
          if (ranks.includes(late)) enough.resolve(undefined);
        },
      }));
      const rounds = group.ranks.map((rank, r) =>
        runRound(rank, 0, partOf(r, 0), r === late ? { pause: () => enough.promise } : {}),
      );
      assertSameBits(await Promise.all(rounds));
      assert.ok(told.every(([by, ranks]) => !ranks.includes(by)));
    }
  });

  test("nobody is late before a lease has passed", async () => {
    const group = await world(3, undefined, () => ({
      leaseMs: 60_000,
      onLate: (ranks) => assert.fail(String(ranks)),
    }));
    for (const step of range(6)) {
      const pause = step === 5 ? () => setTimeout(20) : undefined;
      const rounds = group.ranks.map((rank, r) =>
        runRound(rank, step, partOf(r, step), r === 1 && pause ? { pause } : {}),
      );
      assertSameBits(await Promise.all(rounds));
    }
  });

  test("an abort ends the round with its reason", async () => {
    const group = await world(2);
    const stop = new AbortController();
    const reason = new Error("stop asked for");
    const round = runRound(group.ranks[0]!, 0, partOf(0, 0), { signal: stop.signal });
    const ended = assert.rejects(round, reason);
    await setTimeout(10);
    stop.abort(reason);
    await ended;
  });
}
