import assert from "node:assert/strict";
import { test } from "node:test";
import { bucketRanges } from "../../src/shard/buckets.ts";
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
      const buckets = bucketRanges(layout, { bucketBytes });
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

test("a bucket ends with the tensor that fills it", () => {
  const sizes = (bucketBytes: number) =>
    bucketRanges(layoutOf(640, 64, 6400, 64, 64, 640), { bucketBytes }).map(({ begin, end }) => end - begin);
  assert.deepEqual(sizes(4 * 640), [640, 6528, 704]);
  assert.deepEqual(sizes(4 * 1000), [7168, 704]);
  assert.deepEqual(sizes(1e6), [7872]);
});

test("statistics are the last bucket and lie after the gradients", () => {
  const grid = bucketRanges(layoutOf(1000, 64), {
    bucketBytes: 1e6,
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

test("one bucket covers all if no size ends it", () => {
  assert.deepEqual(bucketRanges(layoutOf(1000, 64), { bucketBytes: Infinity }), [{ begin: 0, end: 1088 }]);
});

test("an empty layout has one empty bucket", () => {
  assert.deepEqual(bucketRanges({ entries: [], length: 0 }, { bucketBytes: 1 }), [{ begin: 0, end: 0 }]);
});

test("buckets of no size are refused", () => {
  for (const bucketBytes of [0, NaN])
    assert.throws(() => bucketRanges(layoutOf(64), { bucketBytes }), { code: "grid-invalid" });
});
