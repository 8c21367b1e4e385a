// Rounds that do not wait for all: replicas stay equal, and what was late comes with the next round.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Collective } from "../../src/allreduce/collective.ts";
import { framePrefixes } from "../../src/allreduce/keys.ts";
import { openCollective } from "../../src/allreduce/open-collective.ts";
import { parseReduce } from "../../src/allreduce/patterns/index.ts";
import { parseCodec } from "../../src/shard/codec/codecs.ts";
import { openStorage } from "../../src/storage/open.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { collect } from "../contract/collect.ts";
import {
  assertOracle,
  assertSameBits,
  layout,
  type Outcome,
  type Part,
  partOf,
  range,
  runRound,
} from "../contract/round.ts";

const WORLD_SIZE = 4;
const LATE = 3;

interface Choice {
  readonly storage: Storage;
  readonly reduce: string;
  readonly codec?: string;
  readonly packed?: boolean;
  readonly leaseMs?: number;
}

const join = ({ storage, reduce, codec = "f32", packed = false, leaseMs = 10 }: Choice, rank: number) =>
  openCollective({
    ...{
      channel: storage,
      runId: "run",
      rank,
      worldSize: WORLD_SIZE,
      generation: 0,
      seed: 1,
      quorum: 0.75,
      leaseMs,
    },
    ...{
      layout,
      bucketBytes: 256,
      reduce: parseReduce(reduce),
      codec: parseCodec(codec),
      packed,
      zstd: "auto",
    },
  });

/** The others do not wait for rank 3, which follows when they have done. */
async function roundWithout(group: readonly Collective[], step: number): Promise<Outcome[]> {
  const others = group.slice(0, LATE).map((one, rank) => runRound(one, step, partOf(rank, step)));
  const outcomes = await Promise.all(others);
  return [...outcomes, await runRound(group[LATE]!, step, partOf(LATE, step))];
}

/** Rank 3 comes first. */
async function roundOfAll(group: readonly Collective[], step: number): Promise<Outcome[]> {
  const rounds = [LATE, 0, 1, 2].map((rank) => runRound(group[rank]!, step, partOf(rank, step)));
  return Promise.all(rounds);
}

const parts = (step: number, ranks: readonly number[]): Part[] => ranks.map((rank) => partOf(rank, step));

describe("a quorum of three in four", () => {
  for (const reduce of ["all-reduce", "scatter-reduce:2"]) {
    for (const packed of [false, true]) {
      test(`goes on without a late rank by ${reduce}${packed ? " in packed objects" : ""}, and its sums come with the next round`, async () => {
        const storage = await openStorage(`memory:quorum-${reduce}-${packed}`);
        const group = await Promise.all(
          range(WORLD_SIZE).map((rank) => join({ storage, reduce, packed }, rank)),
        );
        const first = await roundWithout(group, 0);
        assertSameBits(first);
        assertOracle(parts(0, [0, 1, 2]), first[0]!);

        const next = await roundOfAll(group, 1);
        assertSameBits(next);
        const late = partOf(LATE, 0);
        const now = parts(1, range(WORLD_SIZE));
        const withLate = now.map((part, rank) =>
          rank === LATE ? { ...part, sums: part.sums.map((value, i) => value + late.sums[i]!) } : part,
        );
        assertOracle(withLate, next[0]!, 1e-6);

        const last = await roundOfAll(group, 2);
        assertSameBits(last);
        assertOracle(parts(2, range(WORLD_SIZE)), last[0]!);
      });
    }
  }

  test("keeps replicas equal with top-k, round after round", async () => {
    const storage = await openStorage("memory:quorum-top-k");
    const choice = { storage, reduce: "all-reduce", codec: "top-k:5%" };
    const group = await Promise.all(range(WORLD_SIZE).map((rank) => join(choice, rank)));
    for (const step of range(6))
      assertSameBits(await (step % 2 === 0 ? roundWithout(group, step) : roundOfAll(group, step)));
  });

  test("deletes nothing that a late rank may need, until all have met again", async () => {
    const storage = await openStorage("memory:quorum-sweep");
    const group = await Promise.all(
      range(WORLD_SIZE).map((rank) => join({ storage, reduce: "all-reduce" }, rank)),
    );
    const count = async () =>
      (await Promise.all(framePrefixes("run").map((prefix) => collect(storage.list(prefix))))).flat().length;
    const ahead: Outcome[] = [];
    for (const step of range(4)) {
      const others = group.slice(0, LATE).map((one, rank) => runRound(one, step, partOf(rank, step)));
      ahead.push((await Promise.all(others))[0]!);
      const before = await count();
      await Promise.all(group.slice(0, LATE).map((one) => one.sweep(step + 1, step)));
      assert.equal(await count(), before);
    }
    for (const step of range(4))
      assertSameBits([ahead[step]!, await runRound(group[LATE]!, step, partOf(LATE, step))]);
    assertSameBits(await roundOfAll(group, 4));
    await Promise.all(group.map((one) => one.sweep(6, 4)));
    assert.equal(await count(), 0);
  });

  test("waits for all scalars of an epoch", async () => {
    const storage = await openStorage("memory:quorum-scalars");
    const group = await Promise.all(
      range(WORLD_SIZE).map((rank) => join({ storage, reduce: "all-reduce", leaseMs: 1 }, rank)),
    );
    const scalars = (rank: number) =>
      group[rank]!.reduceScalars({ step: 0, weight: 1, timeoutMs: 5000 }, Float64Array.of(rank));
    const others = [0, 1, 2].map(scalars);
    const won = await Promise.race([
      Promise.all(others),
      new Promise((resolve) => setTimeout(resolve, 40, "waits")),
    ]);
    assert.equal(won, "waits");
    for (const { weight } of await Promise.all([...others, scalars(LATE)])) assert.equal(weight, WORLD_SIZE);
  });
});
