// Gradients of models over sparse rows: what is zero does not travel, and means are those of the dense exchange to the bit.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openCollective } from "../../src/allreduce/open-collective.ts";
import { parseReduce } from "../../src/allreduce/patterns/index.ts";
import { RandomStream } from "../../src/random.ts";
import { f32 } from "../../src/shard/codec/f32.ts";
import { withMeter } from "../../src/storage/layers/meter.ts";
import { openStorage } from "../../src/storage/open.ts";
import { reduceSpecs } from "./implementation.ts";

const WORLD_SIZE = 3;
const ELEMENTS = 1 << 16;
const NON_ZEROS = 600;
const layout = {
  entries: [{ name: "w", shape: [ELEMENTS, 1], offset: 0, length: ELEMENTS }],
  length: ELEMENTS,
};
const ranks = Array.from({ length: WORLD_SIZE }, (_, rank) => rank);

/** Steps of as few features as each rank's rows have, of none, and of all. Packed objects are as large as those before. */
const FEW = [0, 1];
const NONE = 2;
const ALL = 3;

function sumsOf(rank: number, step: number): Float32Array {
  const random = new RandomStream(1, "sums", step * WORLD_SIZE + rank);
  if (step === ALL) return Float32Array.from({ length: ELEMENTS }, () => random.nextNormal());
  const sums = new Float32Array(ELEMENTS);
  for (let i = 0; FEW.includes(step) && i < NON_ZEROS; i++)
    sums[random.nextInt(ELEMENTS)] = random.nextNormal();
  return sums;
}

for (const reduce of reduceSpecs)
  for (const zstd of ["on", "off"] as const)
    for (const packed of [false, true])
      test(`${reduce} with zstd ${zstd}${packed ? " in packed objects" : ""}: rounds of few features, of all and of none give every rank the mean, and few travel as few`, async () => {
        const storage = await openStorage(`memory:sparse-${reduce}-${zstd}-${packed}`);
        const meters = ranks.map(() => withMeter(storage));
        const group = await Promise.all(
          ranks.map((rank) =>
            openCollective({
              ...{
                channel: meters[rank]!,
                runId: "run",
                rank,
                worldSize: WORLD_SIZE,
                generation: 0,
                seed: 1,
              },
              ...{ layout, bucketBytes: 4 * ELEMENTS, reduce: parseReduce(reduce), codec: f32, packed, zstd },
            }),
          ),
        );
        const bytesUp: number[] = [];
        for (const step of [...FEW, NONE, ALL]) {
          const before = meters.reduce((sum, { reading }) => sum + reading.bytesUp, 0);
          const parts = ranks.map((rank) => sumsOf(rank, step));
          const means = await Promise.all(
            group.map(async (collective, rank) => {
              const round = collective.begin({ step, weight: 2, timeoutMs: 5000 });
              const vector = parts[rank]!.slice();
              collective.buckets.forEach(({ begin, end }, i) => round.push(i, vector.subarray(begin, end)));
              await round.finish(new Float64Array(0), vector);
              return vector;
            }),
          );
          const expected = Float32Array.from(
            { length: ELEMENTS },
            (_, i) => parts.reduce((sum, part) => sum + part[i]!, 0) / (2 * WORLD_SIZE),
          );
          for (const mean of means) assert.deepEqual(mean, means[0]);
          means[0]!.forEach((value, i) => {
            assert.ok(Math.abs(value - expected[i]!) <= 1e-6, `step ${step} [${i}]`);
          });
          bytesUp.push(meters.reduce((sum, { reading }) => sum + reading.bytesUp, 0) - before);
        }
        for (const collective of group) await collective.close();
        const [, few, none, all] = bytesUp as [number, number, number, number];
        assert.ok(few * 10 < all, `${few} bytes for few features, ${all} for all`);
        assert.ok(packed ? none <= few : none * 2 < few, `${none} bytes for no features, ${few} for few`);
      });
