import assert from "node:assert/strict";
import { test } from "node:test";
import {
  NO_ABSENT,
  NO_PEAKS,
  NO_SCALARS,
  type Part,
  RankOrderedSum,
} from "../../src/allreduce/rank-ordered-sum.ts";
import { RandomStream } from "../../src/random.ts";
import { roomFor } from "../../src/shard/codec/codec.ts";
import { f32 } from "../../src/shard/codec/f32.ts";

const LENGTH = 2500;
const contributions = Array.from({ length: 5 }, (_, rank) => {
  const random = new RandomStream(1, "contribution", rank);
  const values = Float32Array.from({ length: LENGTH }, () => random.nextNormal() * 10 ** (rank * 4));
  // Ranks may send fewer scalars than others.
  const scalars = Float64Array.from({ length: rank % 3 }, () => random.nextNormal() * 10 ** (rank * 5));
  const encoded = f32.encode(values, roomFor(f32, LENGTH), 0);
  const peaks = Uint32Array.of(rank * 7, 100 - rank);
  return {
    contributors: 1,
    weight: rank + 0.1,
    scalars,
    peaks,
    absent: NO_ABSENT,
    values: { codec: f32, encoded },
  };
});

function decoded({ encoded }: (typeof contributions)[number]["values"]): Float32Array {
  const values = new Float32Array(LENGTH);
  f32.decode(encoded, values);
  return values;
}

test("the order of arrival does not change a bit", () => {
  const random = new RandomStream(2, "orders");
  const results = Array.from({ length: 20 }, () => {
    // Accumulators hold what an earlier round left in them.
    const sum = new RankOrderedSum(5, new Float64Array(LENGTH).fill(NaN));
    for (const rank of random.permutation(5)) sum.take(rank, contributions[rank]!);
    const mean = new Float32Array(LENGTH);
    sum.writeMean(mean);
    return { mean, total: sum.total };
  });
  for (const result of results) assert.deepEqual(result, results[0]);
  assert.equal(results[0]!.total.contributors, 5);
  assert.equal(results[0]!.total.scalars.length, 2);
  assert.deepEqual(results[0]!.total.peaks, Uint32Array.of(28, 100));
});

test("a rank's own values and the same values encoded by a peer give equal sums, wherever they come", () => {
  const own = (rank: number): Part => {
    const part = contributions[rank]!;
    return { ...part, values: decoded(part.values) };
  };
  const meanWith = (ownRank: number): Float32Array => {
    const sum = new RankOrderedSum(5, new Float64Array(LENGTH).fill(NaN));
    contributions.forEach((part, rank) => sum.take(rank, rank === ownRank ? own(rank) : part));
    const mean = new Float32Array(LENGTH);
    sum.writeMean(mean);
    return mean;
  };
  for (const rank of [0, 1, 4]) assert.deepEqual(meanWith(rank), meanWith(-1));
});

test("a sum that is settled early is that of the parts that have come, and tells which have not", () => {
  const sums = [0, 2, 3].map((first) => {
    const sum = new RankOrderedSum(5, new Float64Array(LENGTH).fill(NaN));
    for (const rank of [3, 0, 2].toSorted((a) => (a === first ? -1 : 1)))
      sum.take(rank, contributions[rank]!);
    assert.deepEqual(sum.settle(), [1, 4]);
    const mean = new Float32Array(LENGTH);
    sum.writeMean(mean);
    return { mean, total: sum.total };
  });
  for (const sum of sums) assert.deepEqual(sum, sums[0]);
  assert.equal(sums[0]!.total.contributors, 3);
  assert.ok(sums[0]!.mean.every(Number.isFinite));
});

test("more parts than are added at a time, and an early and a late one, give the sums of all", () => {
  const parts = Array.from({ length: 21 }, (_, rank) => contributions[rank % 5]!);
  const [first, ...others] = parts.map(({ values }) => decoded(values));
  const sums = Float64Array.from(first!);
  for (const values of others) values.forEach((value, i) => (sums[i]! += value));
  for (const late of [0, 10, 20]) {
    const sum = new RankOrderedSum(21, new Float64Array(LENGTH).fill(NaN));
    parts.forEach((part, i) => i !== late && sum.take(i, part));
    sum.take(late, parts[late]!);
    const out = new Float32Array(LENGTH);
    sum.writeSums(out);
    assert.deepEqual(out, Float32Array.from(sums));
  }
});

test("a sum without weight has a mean of zeros", () => {
  const sum = new RankOrderedSum(1, new Float64Array(2));
  sum.take(0, {
    contributors: 1,
    weight: 0,
    scalars: NO_SCALARS,
    peaks: NO_PEAKS,
    absent: NO_ABSENT,
    values: new Float32Array(2),
  });
  const mean = new Float32Array(2).fill(1);
  sum.writeMean(mean);
  assert.deepEqual(mean, new Float32Array(2));
});
