import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { openCollective } from "../../src/allreduce/open-collective.ts";
import { scatterReduce } from "../../src/allreduce/patterns/scatter-reduce.ts";
import { f32 } from "../../src/shard/codec/f32.ts";
import type { Layout } from "../../src/shard/layout.ts";
import { openStorage } from "../../src/storage/open.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { collectiveContract } from "../contract/collective.ts";
import { implementation, reduceSpecs } from "./implementation.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sltrain-collective-"));
after(() => fs.rmSync(folder, { recursive: true }));

for (const spec of reduceSpecs) {
  collectiveContract(implementation(spec), "memory", (name) => openStorage(`memory:${spec}-${name}`));
}
collectiveContract(implementation("scatter-reduce"), "fs", (name) =>
  openStorage(`fs:${path.join(folder, name)}`),
);

const layout: Layout = {
  entries: [{ name: "w", shape: [700_000], offset: 0, length: 700_000 }],
  length: 700_032,
};

const plain = {
  seed: 0,
  layout,
  bucketBytes: 4096,
  reduce: scatterReduce(),
  codec: f32,
  zstd: "auto",
} as const;

test("chunks of several zstd blocks and chunks that do not compress are reduced", async () => {
  const channel = await openStorage("memory:large-chunks");
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
      const collective = await openCollective({
        ...{ channel, runId: "run", rank, worldSize: 2, generation: 0, ...plain },
        bucketBytes: 1e9,
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
  const collective = await openCollective({
    ...{ channel: channel satisfies Storage, runId: "run", rank: 0, worldSize: 1, generation: 0 },
    ...plain,
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
  await assert.rejects(
    openCollective({ channel, runId: "run", rank: 2, worldSize: 2, generation: 0, ...plain }),
    { code: "rank-invalid" },
  );
});
