// What a rank may round to bf16 before it pushes it (`Collective.roundedToBf16`): the means keep their bits.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Collective } from "../../src/allreduce/collective.ts";
import { openCollective } from "../../src/allreduce/open-collective.ts";
import { parseReduce } from "../../src/allreduce/patterns/index.ts";
import { RandomStream } from "../../src/random.ts";
import { parseCodec } from "../../src/shard/codec/codecs.ts";
import { roundToBf16 } from "../../src/shard/codec/bf16.ts";
import type { ElementRange } from "../../src/shard/layout.ts";
import { openChannel } from "../../src/storage/open.ts";
import { reduceSpecs } from "./implementation.ts";

const ELEMENTS = 64 * 20;
const STEPS = 3;
const entries = [0, 640].map((offset) => ({ name: `t${offset}`, shape: [640], offset, length: 640 }));
const layout = { entries, length: ELEMENTS };
const statistics = { entries: [{ name: "moving", shape: [64], offset: 0, length: 64 }], length: 64 };
const WHOLE: ElementRange = { begin: 0, end: ELEMENTS };

let groups = 0;

interface How {
  readonly reduce?: string;
  readonly codec?: string;
  readonly packed?: boolean;
  readonly worldSize?: number;
  readonly quorum?: number;
  readonly bucketBytes?: number;
}

async function openGroup(how: How): Promise<Collective[]> {
  const { reduce = "scatter-reduce", codec = "bf16", packed = false, worldSize = 5, quorum = 1 } = how;
  const channel = await openChannel(`memory:rounded-${groups++}`);
  return Promise.all(
    Array.from({ length: worldSize }, (_, rank) =>
      openCollective({
        ...{ channel, runId: "run", rank, worldSize, generation: 0, seed: 3, layout, statistics, quorum },
        ...{ reduce: parseReduce(reduce), codec: parseCodec(codec), packed, zstd: "on" },
        bucketBytes: how.bucketBytes ?? 64,
      }),
    ),
  );
}

function rounded(values: Float32Array, stretches: readonly ElementRange[]): Float32Array {
  const result = values.slice();
  const bits = new Int32Array(result.buffer);
  for (const { begin, end } of stretches)
    for (let i = begin; i < end; i++) bits[i] = roundToBf16(bits[i]!) & 0xffff0000;
  return result;
}

/** Rank 0's means of some steps. */
async function meansOf(
  how: How,
  round: (sums: Float32Array, collective: Collective) => Float32Array,
): Promise<Float32Array[]> {
  const group = await openGroup(how);
  const means = [];
  for (let step = 0; step < STEPS; step++) {
    const all = await Promise.all(
      group.map(async (one, rank) => {
        const random = new RandomStream(7, "sums", step * group.length + rank);
        const sums = Float32Array.from({ length: ELEMENTS + 64 }, () => random.nextNormal());
        const vector = round(sums, one);
        const open = one.begin({ step, weight: rank + 1, timeoutMs: 5000 });
        one.buckets.forEach(({ begin, end }, i) => open.push(i, vector.subarray(begin, end)));
        await open.finish(new Float64Array(0), vector);
        return vector;
      }),
    );
    for (const mean of all) assert.deepEqual(mean, all[0]);
    means.push(all[0]!);
  }
  return means;
}

describe("sums that travel as bf16", () => {
  for (const reduce of reduceSpecs)
    for (const packed of [false, true])
      test(`may be rounded where they leave the rank: by ${reduce}${packed ? " in packed objects" : ""}`, async () => {
        const how = { reduce, packed };
        const expected = await meansOf(how, (sums) => sums);
        const got = await meansOf(how, (sums, { roundedToBf16 }) => rounded(sums, roundedToBf16));
        assert.deepEqual(got, expected);
        // What a rank adds up itself would be missed.
        assert.notDeepEqual(await meansOf(how, (sums) => rounded(sums, [WHOLE])), expected);
      });

  test("are those of the other ranks' pieces, joined where they touch, in no two buckets", async () => {
    const [first] = await openGroup({ bucketBytes: Infinity });
    assert.deepEqual(first!.roundedToBf16, [{ begin: 256, end: ELEMENTS }]);
    const [, , third] = await openGroup({ bucketBytes: Infinity });
    assert.deepEqual(third!.roundedToBf16, [
      { begin: 0, end: 512 },
      { begin: 768, end: ELEMENTS },
    ]);
    const [root, leaf] = await openGroup({ reduce: "all-reduce" });
    assert.deepEqual(root!.roundedToBf16, []);
    assert.deepEqual(leaf!.roundedToBf16, [
      { begin: 0, end: 640 },
      { begin: 640, end: ELEMENTS },
    ]);
  });

  test("are none with another codec, with nobody else, and where late sums are added to them", async () => {
    for (const how of [
      { codec: "f32" },
      { codec: "fp16" },
      { codec: "int8" },
      { worldSize: 1 },
      { quorum: 0.6 },
    ])
      for (const { roundedToBf16 } of await openGroup(how)) assert.deepEqual(roundedToBf16, []);
  });
});
