import assert from "node:assert/strict";
import { test } from "node:test";
import {
  compressedTraffic,
  compressionNames,
  openCompressed,
  parseCompression,
} from "../../src/allreduce/compression.ts";
import { parseReduce } from "../../src/allreduce/patterns/index.ts";
import type { Layout } from "../../src/shard/layout.ts";
import { metered } from "../../src/storage/layers/meter.ts";
import { openStorage } from "../../src/storage/open.ts";

const layout: Layout = {
  entries: [
    { name: "weights", shape: [60, 40], offset: 0, length: 2400 },
    { name: "bias", shape: [40], offset: 2432, length: 40 },
  ],
  length: 2496,
};

test("every name that is offered is understood", () => {
  for (const name of compressionNames) {
    const { codec, powerSgdTerms } = parseCompression(name);
    assert.equal(powerSgdTerms === undefined ? codec.name : `powersgd:${powerSgdTerms}`, name);
  }
});

test("what is no compression is refused with what there is", () => {
  for (const spec of ["powersgd", "powersgd:", "powersgd:0", "powersgd:65", "powersgd:1.5", "zip"])
    assert.throws(() => parseCompression(spec), {
      code: "codec-invalid",
      message: /f32, .*powersgd:2, but got "/,
    });
});

for (const compress of ["f32", "bf16", "powersgd:2"]) {
  for (const reduce of ["scatter-reduce", "all-reduce"]) {
    test(`a round of ${compress} by ${reduce} asks of the store what is predicted`, async () => {
      const channel = metered(await openStorage(`memory:compression-${compress}-${reduce}`));
      const worldSize = 3;
      const grid = {
        ...{ layout, bucketBytes: 1e6, reduce: parseReduce(reduce) },
        compression: parseCompression(compress),
      };
      const ranks = await Promise.all(
        Array.from({ length: worldSize }, (_, rank) =>
          openCompressed({
            ...{ channel, runId: "run", rank, worldSize, generation: 0, seed: 1, zstd: "off" },
            ...grid,
          }),
        ),
      );
      await Promise.all(
        ranks.map(async (rank) => {
          // Of full rank and without zeros: those would be left out.
          const sums = Float32Array.from({ length: layout.length }, (_, i) => Math.sin(i + 1));
          const round = rank.begin({ step: 0, weight: 1, timeoutMs: 5000 });
          rank.buckets.forEach(({ begin, end }, i) => round.push(i, sums.subarray(begin, end)));
          await round.finish(new Float64Array(0), sums);
        }),
      );
      const { round } = compressedTraffic(grid, undefined, { worldSize });
      const { puts, gets, bytesUp, bytesDown } = channel.reading;
      assert.deepEqual([puts, gets], [round.puts, round.gets]);
      if (compress !== "powersgd:2") {
        assert.deepEqual([bytesUp, bytesDown], [round.bytesUp, round.bytesDown]);
        return;
      }
      // The zeros that its factors are padded with are not sent.
      assert.ok(bytesUp <= round.bytesUp && bytesUp > round.bytesUp / 2, `${bytesUp} of ${round.bytesUp}`);
      assert.ok(bytesDown <= round.bytesDown && bytesDown > round.bytesDown / 2);
    });
  }
}

const statistics: Layout = {
  entries: [{ name: "moving_variance", shape: [100], offset: 0, length: 100 }],
  length: 128,
};

for (const compress of compressionNames) {
  test(`statistics are the exact mean behind ${compress}, and cost what is predicted`, async () => {
    const channel = metered(await openStorage(`memory:statistics-${compress}`));
    const worldSize = 3;
    const grid = {
      ...{ layout, statistics, bucketBytes: 4096, reduce: parseReduce("scatter-reduce") },
      compression: parseCompression(compress),
    };
    const length = layout.length + statistics.length;
    const means = await Promise.all(
      Array.from({ length: worldSize }, async (_, rank) => {
        const collective = await openCompressed({
          ...{ channel, runId: "run", rank, worldSize, generation: 0, seed: 1, zstd: "off" },
          ...grid,
        });
        const sums = Float32Array.from({ length }, (_, i) =>
          i < layout.length ? Math.sin(i) * (rank + 1) : (rank + 1) * (i - layout.length),
        );
        const round = collective.begin({ step: 0, weight: rank + 1, timeoutMs: 5000 });
        collective.buckets.forEach(({ begin, end }, i) => round.push(i, sums.subarray(begin, end)));
        const { weight, scalars } = await round.finish(Float64Array.of(rank), sums);
        assert.deepEqual([weight, ...scalars], [6, 3]);
        return sums;
      }),
    );
    for (const mean of means) {
      assert.deepEqual(mean, means[0]);
      assert.deepEqual([...mean.subarray(layout.length)], [...Array(statistics.length).keys()]);
    }
    const { round } = compressedTraffic(grid, undefined, { worldSize, scalarCount: 1 });
    assert.equal(channel.reading.puts, round.puts);
    assert.equal(channel.reading.gets, round.gets);
    assert.ok(channel.reading.bytesUp <= round.bytesUp);
  });
}
