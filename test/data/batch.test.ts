import assert from "node:assert/strict";
import { test } from "node:test";
import { fillBatch } from "../../src/data/batch.ts";
import { RandomStream } from "../../src/random.ts";

const stream = new RandomStream(1, "batch test");
const ROWS = 9;

for (const width of [1, 3, 4, 784]) {
  for (const perFeature of [false, true]) {
    for (const Type of [Uint8Array, Float32Array]) {
      const how = `${width} ${Type.name} features with ${perFeature ? "a transform each" : "one transform"}`;
      test(`a batch of ${how} is its rows in order, transformed`, () => {
        // An odd offset, as in a row of a larger file.
        const features = new Type(ROWS * width + 1).subarray(1).map(() => stream.nextInt(256));
        const labels = Int32Array.from({ length: ROWS }, () => stream.nextInt(10));
        const parameters = () => Array.from({ length: perFeature ? width : 1 }, () => stream.nextNormal());
        const transform = { scale: parameters(), offset: parameters() };
        const order = new RandomStream(2, "order").permutation(ROWS);
        const x = new Float32Array(6 * width).fill(99);
        const y = new Int32Array(6).fill(99);
        fillBatch({ features, labels, featureShape: [width], transform }, order, 2, 7, x, y);

        const at = (values: readonly number[], j: number) => values[perFeature ? j : 0]!;
        const expected = [...order.subarray(2, 7)].flatMap((row) =>
          Array.from({ length: width }, (_, j) =>
            Math.fround(features[row * width + j]! * at(transform.scale, j) + at(transform.offset, j)),
          ),
        );
        assert.deepEqual([...x.subarray(0, 5 * width)], expected);
        assert.deepEqual([...y], [...Array.from(order.subarray(2, 7), (row) => labels[row]!), 99]);
        assert.ok(x.subarray(5 * width).every((value) => value === 99));
      });
    }
  }
}

const image = {
  features: new Uint8Array(16).map((_, i) => i),
  labels: Int32Array.of(0, 1),
  featureShape: [2, 2, 2],
};

test("aligned bytes, four at a time, give the same as single ones", () => {
  const x = new Float32Array(16);
  const transform = { scale: [0.1], offset: [-1] };
  fillBatch({ ...image, transform }, Uint32Array.of(1, 0), 0, 2, x, new Int32Array(2));
  const expected = [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7].map((v) =>
    Math.fround(v * 0.1 - 1),
  );
  assert.deepEqual([...x], expected);
});

test("class indices become numbers for a loss that wants targets", () => {
  const y = new Float32Array(2);
  fillBatch(
    { ...image, transform: { scale: [1], offset: [0] } },
    Uint32Array.of(1, 0),
    0,
    2,
    new Float32Array(16),
    y,
  );
  assert.deepEqual([...y], [1, 0]);
});

test("an empty batch writes nothing, and one that does not fit is refused before anything is written", () => {
  const data = { ...image, transform: { scale: [1], offset: [0] } };
  const order = Uint32Array.of(1, 0);
  fillBatch(data, order, 1, 1, new Float32Array(0), new Int32Array(0));
  const y = Int32Array.of(7, 7);
  assert.throws(() => fillBatch(data, order, 0, 2, new Float32Array(15), y), /2 x 8 into 15/);
  assert.throws(() => fillBatch(data, order, 0, 3, new Float32Array(24), y), /order of 2 rows/);
  assert.throws(() => fillBatch(data, order, 0, 2, new Float32Array(16), new Int32Array(1)), /1 labels/);
  assert.deepEqual([...y], [7, 7]);
});
