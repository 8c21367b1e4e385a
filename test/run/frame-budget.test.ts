// What a run lets lie in its channel, planned and seen.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type CollectiveOptions, openCollective } from "../../src/allreduce/open-collective.ts";
import { parseReduce } from "../../src/allreduce/patterns/index.ts";
import { defaultsFor } from "../../src/config/model-defaults.ts";
import type { TrainConfig } from "../../src/config/schema.ts";
import { RandomStream } from "../../src/random.ts";
import { type FrameBudget, frameBudget } from "../../src/run/frame-budget.ts";
import { parseCodec } from "../../src/shard/codec/codecs.ts";
import type { Layout } from "../../src/shard/layout.ts";
import { openStorage } from "../../src/storage/open.ts";
import type { Storage } from "../../src/storage/storage.ts";

const LENGTH = 6400;
const layoutOf = (length: number): Layout => ({
  entries: [{ name: "all", shape: [length], offset: 0, length }],
  length,
});
const parameters = layoutOf(LENGTH);
const statistics = layoutOf(64);

function budget(settings: Partial<TrainConfig>): FrameBudget {
  const config = { ...defaultsFor(), workers: 4, channel: "fs:frames", ...settings } as TrainConfig;
  return frameBudget({ config, parameters, statistics, stepsPerEpoch: 100, prices: undefined });
}

describe("frame budget", () => {
  test("a checkpoint comes as often as the bytes allow, and at least after every exchange", () => {
    const free = budget({ checkpointEverySteps: 50 });
    assert.equal(free.checkpointEvery, 50);
    assert.equal(budget({ checkpointEverySteps: 50, maxFrameBytes: free.maxBytes }).checkpointEvery, 50);
    const tight = budget({ checkpointEverySteps: 50, maxFrameBytes: free.maxBytes - 1 });
    assert.equal(tight.checkpointEvery, 49);
    assert.ok(tight.maxBytes < free.maxBytes);
    const least = budget({ maxFrameBytes: 1 });
    assert.equal(least.checkpointEvery, 1);
    assert.ok(least.maxBytes > 1);
  });

  test("steps without an exchange leave nothing", () => {
    const local = { algorithm: "local-sgd", checkpointEverySteps: 50 } as const;
    assert.equal(budget({ ...local, syncEvery: 16 }).checkpointEvery, 3);
    assert.equal(budget({ ...local, syncEvery: "epoch" }).checkpointEvery, 1);
  });

  test("one worker sends nothing", () => {
    assert.deepEqual(budget({ workers: 1, sync: "asp" }), {
      ...{ checkpointEvery: 1, staleness: 100, maxBytes: 0 },
    });
  });

  test("without lockstep workers may be as far apart as the bytes allow", () => {
    assert.equal(budget({ sync: "ssp:5" }).staleness, 5);
    assert.equal(budget({ sync: "asp" }).staleness, 100);
    const tight = budget({ sync: "asp", maxFrameBytes: 5e6 });
    assert.ok(tight.staleness! > 0 && tight.staleness! < 100, String(tight.staleness));
    assert.ok(tight.maxBytes <= 5e6);
  });

  for (const [reduce, compress] of [
    ["scatter-reduce", "f32"],
    ["tree:1,2,4", "bf16"],
    ["hierarchical:2", "int8"],
    ["scatter-reduce:2", "top-k:10%"],
  ] as const) {
    test(`no more lies in the channel than planned: ${compress} by ${reduce}`, async () => {
      const planned = budget({ reduce, compress, checkpointEverySteps: 4, bucketBytes: 8192 });
      const storage = await openStorage(`memory:budget-${reduce}`);
      const member = { channel: storage, runId: "budget", worldSize: 4, generation: 0, seed: 1 };
      const how = { reduce: parseReduce(reduce), codec: parseCodec(compress), zstd: "off" } as const;
      const most = await Promise.all(
        [0, 1, 2, 3].map((rank) =>
          mostBytes(storage, planned.checkpointEvery, {
            ...{ ...member, ...how, rank, layout: parameters, statistics, bucketBytes: 8192 },
          }),
        ),
      );
      assert.ok(Math.max(...most) <= planned.maxBytes, `${Math.max(...most)} of ${planned.maxBytes}`);
      assert.ok(Math.max(...most) > 0.5 * planned.maxBytes, `${Math.max(...most)} of ${planned.maxBytes}`);
    });
  }
});

/** The most that this rank sees in the channel while it exchanges as a training loop does. */
async function mostBytes(
  storage: Storage,
  checkpointEvery: number,
  options: CollectiveOptions,
): Promise<number> {
  const collective = await openCollective(options);
  const random = new RandomStream(options.rank, "values");
  const sums = Float32Array.from({ length: LENGTH + 64 }, () => random.nextNormal());
  let most = 0;
  let durableStep = -1;
  for (let step = 0; step < 15; step++) {
    const round = collective.begin({ step, weight: 1, timeoutMs: 5000 });
    collective.buckets.forEach(({ begin, end }, bucket) => round.push(bucket, sums.subarray(begin, end)));
    await round.finish(new Float64Array(3), new Float32Array(sums.length));
    most = Math.max(most, await storedBytes(storage));
    await collective.sweep(step, durableStep);
    if ((step + 1) % checkpointEvery === 0) durableStep = step;
  }
  return most;
}

async function storedBytes(storage: Storage): Promise<number> {
  let bytes = 0;
  for await (const key of storage.list("")) bytes += (await storage.get({ key }))?.byteLength ?? 0;
  return bytes;
}
