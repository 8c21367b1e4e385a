import assert from "node:assert/strict";
import { test } from "node:test";
import { chunkGrid } from "../../src/shard/buckets.ts";
import type { Layout } from "../../src/shard/layout.ts";

/** Tensors of these lengths, each at the next multiple of 64. */
function layoutOf(...lengths: number[]): Layout {
  let offset = 0;
  const entries = lengths.map((length, i) => {
    const entry = { name: `t${i}`, shape: [length], offset, length };
    offset = Math.ceil((offset + length) / 64) * 64;
    return entry;
  });
  return { entries, length: offset };
}

const layouts = [
  layoutOf(1),
  layoutOf(150, 6, 2400, 16, 48_000, 120, 10_080, 84, 840, 10),
  layoutOf(401_408, 512, 5120, 10),
  layoutOf(...Array.from({ length: 40 }, (_, i) => 64 + ((i * 7919) % 5000))),
];

test("buckets cover the vector without gaps, the last tensors first, at whole tensors", () => {
  for (const layout of layouts) {
    for (const bucketBytes of [1, 4096, 65_536, 1 << 20]) {
      const buckets = chunkGrid(layout, { bucketBytes, worldSize: 3 });
      let end = layout.length;
      for (const bucket of buckets) {
        assert.equal(bucket.end, end);
        assert.ok(layout.entries.some(({ offset }) => offset === bucket.begin));
        end = bucket.begin;
      }
      assert.equal(end, 0);
    }
  }
});

test("chunks cover their bucket, begin at multiples of 64, differ by one block and have one owner each", () => {
  for (const layout of layouts) {
    for (const worldSize of [1, 2, 3, 8, 100]) {
      for (const { begin, end, chunks } of chunkGrid(layout, { bucketBytes: 65_536, worldSize })) {
        assert.equal(chunks[0]?.begin, begin);
        assert.equal(chunks.at(-1)?.end, end);
        assert.ok(chunks.every((chunk, i) => i === 0 || chunk.begin === chunks[i - 1]?.end));
        assert.ok(chunks.every((chunk) => chunk.begin % 64 === 0 && chunk.end > chunk.begin));
        const lengths = chunks.map((chunk) => chunk.end - chunk.begin);
        assert.ok(Math.max(...lengths) - Math.min(...lengths) <= 64);
        assert.equal(new Set(chunks.map(({ owner }) => owner)).size, chunks.length);
        assert.ok(chunks.every(({ owner }) => owner >= 0 && owner < worldSize));
        assert.equal(chunks.length, Math.min(worldSize, (end - begin) / 64));
      }
    }
  }
});

test("a bucket ends with the tensor that fills it", () => {
  const sizes = (bucketBytes: number) =>
    chunkGrid(layoutOf(640, 64, 6400, 64, 64, 640), { bucketBytes, worldSize: 2 }).map(
      ({ begin, end }) => end - begin,
    );
  assert.deepEqual(sizes(4 * 640), [640, 6528, 704]);
  assert.deepEqual(sizes(4 * 1000), [7168, 704]);
  assert.deepEqual(sizes(1e6), [7872]);
});

test("short buckets load the ranks evenly", () => {
  const owned = new Array<number>(8).fill(0);
  for (const { chunks } of chunkGrid(layoutOf(...new Array<number>(64).fill(64)), {
    bucketBytes: 1,
    worldSize: 8,
  })) {
    for (const { owner } of chunks) owned[owner]!++;
  }
  assert.deepEqual(owned, new Array<number>(8).fill(8));
});

test("statistics are the last bucket and lie after the gradients", () => {
  const grid = chunkGrid(layoutOf(1000, 64), {
    bucketBytes: 1e6,
    worldSize: 2,
    statistics: layoutOf(32, 32),
  });
  assert.deepEqual(
    grid.map(({ begin, end }) => [begin, end]),
    [
      [0, 1088],
      [1088, 1216],
    ],
  );
});

test("an empty layout has one bucket with one empty chunk", () => {
  assert.deepEqual(chunkGrid({ entries: [], length: 0 }, { bucketBytes: 1, worldSize: 4 }), [
    { begin: 0, end: 0, chunks: [{ begin: 0, end: 0, owner: 0 }] },
  ]);
});

test("a world of no ranks is refused", () => {
  assert.throws(() => chunkGrid(layoutOf(64), { bucketBytes: 1, worldSize: 0 }), { code: "grid-invalid" });
  assert.throws(() => chunkGrid(layoutOf(64), { bucketBytes: NaN, worldSize: 1 }), { code: "grid-invalid" });
});
