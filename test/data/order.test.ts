import assert from "node:assert/strict";
import { test } from "node:test";
import { batchesPerEpoch, batchSlice, epochOrder, evenPart } from "../../src/data/order.ts";

test("an epoch's order holds every row once", () => {
  assert.deepEqual([...epochOrder(1000, 1, 0).sort()], [...Array(1000).keys()]);
  assert.deepEqual([...epochOrder(0, 1, 0)], []);
});

test("an epoch's order depends on seed and epoch alone", () => {
  assert.deepEqual(epochOrder(1000, 1, 2), epochOrder(1000, 1, 2));
  assert.notDeepEqual(epochOrder(1000, 1, 2), epochOrder(1000, 1, 3));
  assert.notDeepEqual(epochOrder(1000, 1, 2), epochOrder(1000, 2, 2));
});

test("an epoch's order never changes between versions: a resumed run goes on with it", () => {
  assert.deepEqual([...epochOrder(8, 42, 3)], [4, 6, 5, 1, 2, 7, 3, 0]);
});

test("the ranks' slices tile every batch in rank order, uneven tails included", () => {
  for (const [count, batchSize] of [
    [1000, 128],
    [1000, 1000],
    [17, 5],
    [3, 64],
    [128, 7],
  ] as const) {
    for (let worldSize = 1; worldSize <= 8; worldSize++) {
      let next = 0;
      for (let batch = 0; batch < batchesPerEpoch(count, batchSize); batch++) {
        const sizes: number[] = [];
        for (let rank = 0; rank < worldSize; rank++) {
          const { begin, end } = batchSlice(count, batchSize, batch, rank, worldSize);
          assert.equal(begin, next);
          sizes.push(end - begin);
          next = end;
        }
        assert.equal(next, Math.min((batch + 1) * batchSize, count));
        assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, String(sizes));
      }
      assert.equal(next, count);
    }
  }
});

test("a batch behind the epoch's end is empty", () => {
  const { begin, end } = batchSlice(10, 4, 5, 0, 2);
  assert.equal(end - begin, 0);
});

test("parts of held rows tile them over as many batches as the whole split has", () => {
  const held = evenPart(1003, 2, 7);
  const batches = batchesPerEpoch(1003, 64);
  let next = 0;
  for (let batch = 0; batch < batches; batch++) {
    const part = evenPart(held.end - held.begin, batch, batches);
    assert.equal(part.begin, next);
    next = part.end;
  }
  assert.equal(next, held.end - held.begin);
});
