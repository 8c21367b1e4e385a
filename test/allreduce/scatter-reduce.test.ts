import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { openScatterReduce } from "../../src/allreduce/scatter-reduce.ts";
import { traffic } from "../../src/allreduce/traffic.ts";
import { chunkGrid } from "../../src/shard/buckets.ts";
import type { Layout } from "../../src/shard/layout.ts";
import { openStorage } from "../../src/storage/open.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { collectiveContract, type CollectiveImplementation } from "../contract/collective.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sltrain-collective-"));
after(() => fs.rmSync(folder, { recursive: true }));

const scatterReduce: CollectiveImplementation = { name: "scatter-reduce", open: openScatterReduce, traffic };
collectiveContract(scatterReduce, "memory", (name) => openStorage(`memory:collective-${name}`));
collectiveContract(scatterReduce, "fs", (name) => openStorage(`fs:${path.join(folder, name)}`));

const layout: Layout = {
  entries: [{ name: "w", shape: [700_000], offset: 0, length: 700_000 }],
  length: 700_032,
};

test("chunks of several zstd blocks and chunks that do not compress are reduced", async () => {
  const channel = await openStorage("memory:large-chunks");
  const buckets = chunkGrid(layout, { bucketBytes: 1e9, worldSize: 2 });
  const sumsOf = (rank: number) => {
    // The first half repeats itself, the second has random bits in every byte (exponents kept finite).
    const bits = new Uint32Array(layout.length);
    for (let i = 0, x = rank + 1; i < bits.length; i++) {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
      bits[i] = i < 350_000 ? 0x3f800000 + (i % 7) : x & 0xbfffffff;
    }
    return new Float32Array(bits.buffer);
  };
  const means = await Promise.all(
    [0, 1].map(async (rank) => {
      const collective = await openScatterReduce({
        channel,
        runId: "run",
        rank,
        worldSize: 2,
        generation: 0,
        buckets,
      });
      const round = collective.begin({ step: 0, weight: 1, timeoutMs: 5000 });
      round.push(0, sumsOf(rank));
      const mean = new Float32Array(layout.length);
      await round.finish(new Float64Array(0), mean);
      return mean;
    }),
  );
  const [a, b] = [sumsOf(0), sumsOf(1)];
  assert.ok(means[0]!.every((value, i) => value === Math.fround((a[i]! + b[i]!) / 2)));
  assert.equal(Buffer.compare(Buffer.from(means[0]!.buffer), Buffer.from(means[1]!.buffer)), 0);
});

test("one rank touches no storage", async () => {
  const refused = (): never => assert.fail("no storage call was expected");
  const channel = Object.assign(await openStorage("memory:unused"), {
    put: refused,
    get: refused,
    waitFor: refused,
  });
  const collective = await openScatterReduce({
    ...{ channel: channel satisfies Storage, runId: "run", rank: 0, worldSize: 1, generation: 0 },
    buckets: chunkGrid(layout, { bucketBytes: 4096, worldSize: 1 }),
  });
  const round = collective.begin({ step: 0, weight: 4, timeoutMs: 1 });
  round.push(0, new Float32Array(layout.length).fill(2));
  const mean = new Float32Array(layout.length);
  assert.deepEqual(await round.finish(Float64Array.of(7), mean), { weight: 4, scalars: Float64Array.of(7) });
  assert.ok(mean.every((value) => value === 0.5));
  assert.equal(collective.stats.requests, 0);
});

test("a rank outside the world is refused", async () => {
  const channel = await openStorage("memory:unused");
  const buckets = chunkGrid(layout, { bucketBytes: 4096, worldSize: 2 });
  await assert.rejects(
    openScatterReduce({ channel, runId: "run", rank: 2, worldSize: 2, generation: 0, buckets }),
    {
      code: "rank-invalid",
    },
  );
});
