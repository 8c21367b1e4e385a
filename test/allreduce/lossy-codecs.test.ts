// Codecs that lose something: all ranks still end with the same bits, and what is lost of one round comes with the next.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Collective, CollectiveState } from "../../src/allreduce/collective.ts";
import { openCollective } from "../../src/allreduce/open-collective.ts";
import { parseReduce } from "../../src/allreduce/patterns/index.ts";
import { RandomStream } from "../../src/random.ts";
import type { Codec } from "../../src/shard/codec/codec.ts";
import { parseCodec } from "../../src/shard/codec/codecs.ts";
import { openChannel } from "../../src/storage/open.ts";
import type { Channel } from "../../src/storage/storage.ts";
import { reduceSpecs } from "./implementation.ts";

const WORLD_SIZE = 5;
const ELEMENTS = 64 * 20;
const entries = [0, 640].map((offset) => ({ name: `t${offset}`, shape: [640], offset, length: 640 }));
const layout = { entries, length: ELEMENTS };
const ranks = Array.from({ length: WORLD_SIZE }, (_, rank) => rank);

interface How {
  readonly channel: Channel;
  readonly reduce: string;
  readonly codec: Codec;
  readonly packed: boolean;
}

const join = ({ channel, reduce, codec, packed }: How, rank: number, generation = 0): Promise<Collective> =>
  openCollective({
    ...{ channel, runId: "run", rank, worldSize: WORLD_SIZE, generation, seed: 3, layout, bucketBytes: 64 },
    ...{ reduce: parseReduce(reduce), codec, packed, zstd: "on" },
  });

const sumsOf = (rank: number, step: number): Float32Array => {
  const random = new RandomStream(7, "sums", step * WORLD_SIZE + rank);
  return Float32Array.from({ length: ELEMENTS }, () => random.nextNormal());
};

async function round(collective: Collective, rank: number, step: number): Promise<Float32Array> {
  const open = collective.begin({ step, weight: 1, timeoutMs: 5000 });
  const vector = sumsOf(rank, step);
  collective.buckets.forEach(({ begin, end }, i) => open.push(i, vector.subarray(begin, end)));
  await open.finish(new Float64Array(0), vector);
  return vector;
}

const copyOf = (state: CollectiveState): CollectiveState =>
  Object.fromEntries(Object.entries(state).map(([name, values]) => [name, values.slice()]));

describe("collectives with lossy codecs", () => {
  for (const reduce of reduceSpecs) {
    for (const spec of ["bf16", "int8", "top-k:5%", "sign"]) {
      for (const packed of [false, true]) {
        const codec = parseCodec(spec);
        const how = async (name: string): Promise<How> => ({
          channel: await openChannel(`memory:lossy-${reduce}-${spec}-${packed}-${name}`),
          ...{ reduce, codec, packed },
        });
        const title = `${spec} by ${reduce}${packed ? " in packed objects" : ""}`;

        test(`${title}: a rank that starts anew from an older state ends with the bits and the state of the others' run`, async () => {
          const place = await how("restart");
          const group = await Promise.all(ranks.map((rank) => join(place, rank)));
          const states: CollectiveState[] = [];
          const means: Float32Array[] = [];
          for (let step = 0; step < 4; step++) {
            const all = await Promise.all(group.map((one, rank) => round(one, rank, step)));
            for (const mean of all) assert.deepEqual(mean, all[0]);
            means.push(all[0]!);
            states.push(copyOf(group[1]!.state));
            await Promise.all(group.map((one) => one.sweep(step + 1, 0)));
          }
          const restarted = await join(place, 1, 1);
          restarted.restore(states[0]!);
          for (const step of [1, 2, 3]) {
            const mean = new Float32Array(ELEMENTS);
            const replayed = await restarted.replay({ step, weight: 1, timeoutMs: 5000 }, mean);
            // Residuals are made of the rank's own sums.
            assert.equal(replayed === undefined, codec.biased);
            assert.deepEqual(replayed ? mean : await round(restarted, 1, step), means[step]);
            assert.deepEqual(restarted.state, states[step]);
          }
          // And it goes on with the others.
          const next = [group[0]!, restarted, ...group.slice(2)];
          const all = await Promise.all(next.map((one, rank) => round(one, rank, 4)));
          for (const mean of all) assert.deepEqual(mean, all[0]);
        });
      }
    }
  }

  test("what a biased codec loses comes later: the sum of many means is the sum of the true means", async () => {
    for (const reduce of reduceSpecs) {
      const place: How = {
        channel: await openChannel(`memory:lossy-feedback-${reduce}`),
        ...{ reduce, codec: parseCodec("top-k:10%"), packed: false },
      };
      const group = await Promise.all(ranks.map((rank) => join(place, rank)));
      const [got, want] = [new Float64Array(ELEMENTS), new Float64Array(ELEMENTS)];
      const gradient = ranks.map((rank) => sumsOf(rank, 0));
      const rounds = 60;
      for (let step = 0; step < rounds; step++) {
        const means = await Promise.all(
          group.map(async (one, rank) => {
            const open = one.begin({ step, weight: 1, timeoutMs: 5000 });
            const vector = gradient[rank]!.slice();
            one.buckets.forEach(({ begin, end }, i) => open.push(i, vector.subarray(begin, end)));
            await open.finish(new Float64Array(0), vector);
            return vector;
          }),
        );
        means[0]!.forEach((value, i) => (got[i]! += value / rounds));
      }
      gradient.forEach((sums) => sums.forEach((value, i) => (want[i]! += value / WORLD_SIZE)));
      const norm = (values: Float64Array): number => Math.hypot(...values);
      const error = norm(got.map((value, i) => value - want[i]!)) / norm(want);
      assert.ok(error < 0.35, `${reduce}: relative error ${error}`);
    }
  });

  for (const reduce of reduceSpecs) {
    for (const packed of [false, true]) {
      test(`by ${reduce}${packed ? " in packed objects" : ""}, what ranks chose of their values is not cut again on its way to the mean`, async () => {
        const place: How = {
          channel: await openChannel(`memory:lossy-union-${reduce}-${packed}`),
          ...{ reduce, codec: parseCodec("top-k:6.25%"), packed },
        };
        const group = await Promise.all(ranks.map((rank) => join(place, rank)));
        const means = await Promise.all(
          group.map(async (one, rank) => {
            const open = one.begin({ step: 0, weight: 1, timeoutMs: 5000 });
            // A sixteenth of its own.
            const vector = Float32Array.from({ length: ELEMENTS }, (_, i) => (i % 16 === rank ? i + 1 : 0));
            one.buckets.forEach(({ begin, end }, i) => open.push(i, vector.subarray(begin, end)));
            await open.finish(new Float64Array(0), vector);
            return vector;
          }),
        );
        for (const mean of means) assert.deepEqual(mean, means[0]);
        means[0]!.forEach((value, i) => {
          const want = i % 16 < WORLD_SIZE ? (i + 1) / WORLD_SIZE : 0;
          assert.ok(Math.abs(value - want) <= want * 2 ** -6, `${i}: ${value} instead of ${want}`);
        });
      });
    }
  }

  test("a state of another shape is refused", async () => {
    const channel = await openChannel("memory:lossy-state");
    const place: How = { channel, reduce: "scatter-reduce", codec: parseCodec("sign"), packed: false };
    const one = await join(place, 0);
    assert.throws(() => one.restore({}), { code: "state-mismatch" });
    const [name] = Object.keys(one.state);
    assert.throws(() => one.restore({ ...one.state, [name!]: new Float32Array(3) }), {
      code: "state-mismatch",
      message: new RegExp(name!),
    });
  });
});
