// Channels that forget: what is lost is sent again, and no sum is wrong for it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { openCollective } from "../../src/allreduce/open-collective.ts";
import { parseReduce } from "../../src/allreduce/patterns/index.ts";
import { RandomStream } from "../../src/random.ts";
import { f32 } from "../../src/shard/codec/f32.ts";
import { openChannel } from "../../src/storage/open.ts";
import type { Channel } from "../../src/storage/storage.ts";
import { reduceSpecs } from "./implementation.ts";

const WORLD_SIZE = 4;
const ELEMENTS = 640;
const layout = { entries: [{ name: "w", shape: [ELEMENTS], offset: 0, length: ELEMENTS }], length: ELEMENTS };
const LAST_STEP = 8;

/** Loses a part of what it is given, while `loses` says so; what a rank asks another for it may lose as well. */
function forgetful(
  channel: Channel,
  seed: number,
  loses: () => boolean,
): Channel & { readonly lost: () => number } {
  const random = new RandomStream(seed, "forgetful");
  let lost = 0;
  return {
    ...channel,
    lost: () => lost,
    async put(key, parts, options) {
      const outcome = await channel.put(key, parts, options);
      if (loses() && random.nextUniform() < 0.25) {
        lost++;
        await channel.delete([key]);
      }
      return outcome;
    },
  };
}

describe("channels that forget", () => {
  for (const reduce of reduceSpecs) {
    test(`ranks that reduce by ${reduce} send again what the channel has lost`, async () => {
      // A rank that has ended answers nobody: the last round loses nothing.
      const steps = new Array<number>(WORLD_SIZE).fill(0);
      const channel = forgetful(await openChannel(`memory:forgetful-${reduce}`), 5, () =>
        steps.every((step) => step < LAST_STEP),
      );
      const vectors = await Promise.all(
        steps.map(async (_, rank) => {
          const collective = await openCollective({
            ...{ channel, runId: "run", rank, worldSize: WORLD_SIZE, generation: 0, seed: 1, layout },
            ...{ bucketBytes: 1024, reduce: parseReduce(reduce), codec: f32, zstd: "off", askAfterMs: 8 },
          });
          const means: Float32Array[] = [];
          for (let step = 0; step <= LAST_STEP; step++) {
            steps[rank] = step;
            const round = collective.begin({ step, weight: 1, timeoutMs: 10_000 });
            const vector = new Float32Array(ELEMENTS).fill(rank + step);
            collective.buckets.forEach(({ begin, end }, i) => round.push(i, vector.subarray(begin, end)));
            await round.finish(new Float64Array(0), vector);
            means.push(vector);
          }
          return means;
        }),
      );
      assert.ok(channel.lost() > 2);
      for (const means of vectors)
        means.forEach((mean, step) => assert.ok(mean.every((value) => value === 1.5 + step)));
    });
  }

  test("a peer that is not there is missed at the deadline all the same", async () => {
    const channel = await openChannel("memory:forgetful-alone");
    const collective = await openCollective({
      ...{ channel, runId: "run", rank: 0, worldSize: 2, generation: 0, seed: 1, layout, bucketBytes: 1024 },
      ...{ reduce: parseReduce("scatter-reduce"), codec: f32, zstd: "off", askAfterMs: 5 },
    });
    const round = collective.begin({ step: 0, weight: 1, timeoutMs: 40 });
    round.push(0, new Float32Array(ELEMENTS));
    await assert.rejects(round.finish(new Float64Array(0), new Float32Array(ELEMENTS)), {
      code: "peer-missing",
      message: /rank 1's part of step 0 within 40 ms/,
    });
  });
});
