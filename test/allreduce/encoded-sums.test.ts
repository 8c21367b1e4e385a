// What a rank may encode before it pushes it (`Collective.ownPieces`): the means keep their bits.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Collective } from "../../src/allreduce/collective.ts";
import { roundingSeed } from "../../src/allreduce/rounding-seed.ts";
import { openCollective } from "../../src/allreduce/open-collective.ts";
import { parseReduce } from "../../src/allreduce/patterns/index.ts";
import { RandomStream } from "../../src/random.ts";
import { parseCodec } from "../../src/shard/codec/codecs.ts";
import { roomFor } from "../../src/shard/codec/codec.ts";
import { encodeWithFeedback } from "../../src/shard/error-feedback.ts";
import type { ElementRange } from "../../src/shard/layout.ts";
import { openChannel } from "../../src/storage/open.ts";
import { wordsOf } from "../support/words.ts";
import { reduceSpecs } from "./implementation.ts";

const ELEMENTS = 64 * 20;
const STEPS = 3;
const entries = [0, 640].map((offset) => ({ name: `t${offset}`, shape: [640], offset, length: 640 }));
const layout = { entries, length: ELEMENTS };
const statistics = { entries: [{ name: "moving", shape: [64], offset: 0, length: 64 }], length: 64 };

let groups = 0;

interface How {
  readonly reduce?: string;
  readonly codec?: string;
  readonly packed?: boolean;
  readonly zstd?: "on" | "off";
  readonly worldSize?: number;
  readonly quorum?: number;
  readonly bucketBytes?: number;
}

async function openGroup(how: How): Promise<Collective[]> {
  const { reduce = "scatter-reduce", codec = "bf16", packed = false, zstd = "on" } = how;
  const { worldSize = 5, quorum = 1 } = how;
  const channel = await openChannel(`memory:encoded-${groups++}`);
  return Promise.all(
    Array.from({ length: worldSize }, (_, rank) =>
      openCollective({
        ...{ channel, runId: "run", rank, worldSize, generation: 0, seed: 3, layout, statistics, quorum },
        ...{ reduce: parseReduce(reduce), codec: parseCodec(codec), packed, zstd },
        bucketBytes: how.bucketBytes ?? 64,
      }),
    ),
  );
}

/** This rank's pieces of `sums` as another device would have encoded them; it keeps the residuals. */
function encodedBeforehand(sums: Float32Array, { ownPieces }: Collective, step: number): Float32Array {
  const words = new Float32Array(sums.length);
  for (const { begin, end, codec: name, seed, address, residual } of ownPieces) {
    const codec = parseCodec(name);
    const own = roundingSeed(seed, { ...address, step });
    const values = sums.slice(begin, end);
    const room = roomFor(codec, values.length);
    const encoded = codec.biased
      ? encodeWithFeedback(codec, values, residual!, room, own)
      : codec.encode(values, room, own);
    new Int32Array(words.buffer).set(wordsOf(codec, encoded, values.length), begin);
    sums.fill(NaN, begin, end);
  }
  return words;
}

/** Rank 0's means of some steps, and all ranks' states behind them. */
async function meansOf(how: How, beforehand: boolean) {
  const group = await openGroup(how);
  const means = [];
  for (let step = 0; step < STEPS; step++) {
    const all = await Promise.all(
      group.map(async (one, rank) => {
        const random = new RandomStream(7, "sums", step * group.length + rank);
        const vector = Float32Array.from({ length: ELEMENTS + 64 }, () => random.nextNormal());
        const words = beforehand ? encodedBeforehand(vector, one, step) : undefined;
        const open = one.begin({ step, weight: rank + 1, timeoutMs: 5000 });
        one.buckets.forEach(({ begin, end }, i) =>
          open.push(
            i,
            vector.subarray(begin, end),
            end <= ELEMENTS ? words?.subarray(begin, end) : undefined,
          ),
        );
        await open.finish(new Float64Array(0), vector);
        return vector;
      }),
    );
    for (const mean of all) assert.deepEqual(mean, all[0]);
    means.push(all[0]!);
  }
  return { means, states: group.map(({ state }) => structuredClone(state)) };
}

const ranges = ({ ownPieces }: Collective): ElementRange[] =>
  ownPieces.map(({ begin, end }) => ({ begin, end }));

describe("sums that are encoded before they are pushed", () => {
  for (const codec of ["bf16", "fp16", "int8", "top-k:10%"])
    for (const reduce of reduceSpecs)
      test(`give the means and states of those that are not: ${codec} by ${reduce}`, async () => {
        for (const [packed, zstd] of [
          [false, "on"],
          [true, "off"],
        ] as const) {
          const how = { reduce, codec, packed, zstd };
          assert.deepEqual(await meansOf(how, true), await meansOf(how, false));
        }
      });

  test("are what a rank sends to others", async () => {
    const [first] = await openGroup({ bucketBytes: Infinity });
    assert.deepEqual(
      ranges(first!),
      [256, 512, 768, 1024].map((begin) => ({ begin, end: begin + 256 })),
    );
    const [root, leaf] = await openGroup({ reduce: "all-reduce" });
    assert.deepEqual(ranges(root!), []);
    assert.deepEqual(ranges(leaf!), [
      { begin: 0, end: 640 },
      { begin: 640, end: ELEMENTS },
    ]);
  });

  test("are none with a codec without words, with nobody else, and where late sums are added to them", async () => {
    for (const how of [
      { codec: "f32" },
      { codec: "sign" },
      { codec: "top-k:60%" },
      { worldSize: 1 },
      { quorum: 0.6 },
    ])
      for (const one of await openGroup(how)) assert.deepEqual(one.ownPieces, []);
  });
});
