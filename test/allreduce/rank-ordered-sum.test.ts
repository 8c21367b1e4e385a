import assert from "node:assert/strict";
import { test } from "node:test";
import { RankOrderedSum } from "../../src/allreduce/rank-ordered-sum.ts";
import { RandomStream } from "../../src/random.ts";
import { f32 } from "../../src/shard/codec/f32.ts";

const LENGTH = 2500;
const contributions = Array.from({ length: 5 }, (_, rank) => {
  const random = new RandomStream(1, "contribution", rank);
  const values = Float32Array.from({ length: LENGTH }, () => random.nextNormal() * 10 ** (rank * 4));
  // Ranks may send fewer scalars than others.
  const scalars = Float64Array.from({ length: rank % 3 }, () => random.nextNormal() * 10 ** (rank * 5));
  return { contributors: 1, weight: rank + 0.1, scalars, encoded: f32.encode(values) };
});

test("the order of arrival does not change a bit", () => {
  const random = new RandomStream(2, "orders");
  const results = Array.from({ length: 20 }, () => {
    // Accumulators hold what an earlier round left in them.
    const sum = new RankOrderedSum(5, new Float64Array(LENGTH).fill(NaN), f32);
    for (const rank of random.permutation(5)) sum.take(rank, contributions[rank]!);
    const mean = new Float32Array(LENGTH);
    sum.writeMean(mean);
    return { mean, total: sum.total };
  });
  for (const result of results) assert.deepEqual(result, results[0]);
  assert.equal(results[0]!.total.contributors, 5);
  assert.equal(results[0]!.total.scalars.length, 2);
});

test("a sum without weight has a mean of zeros", () => {
  const sum = new RankOrderedSum(1, new Float64Array(2), f32);
  const encoded = f32.encode(new Float32Array(2));
  sum.take(0, { contributors: 1, weight: 0, scalars: new Float64Array(0), encoded });
  const mean = new Float32Array(2).fill(1);
  sum.writeMean(mean);
  assert.deepEqual(mean, new Float32Array(2));
});
