import assert from "node:assert/strict";
import { test } from "node:test";
import { RandomStream } from "../../../src/random.ts";
import { readerOf } from "../../../src/shard/codec/blocks.ts";
import { addInOrder } from "../../../src/shard/simd/sums.ts";

/** Magnitudes so different that another order of summation gives other bits. */
function vectors(count: number, length: number): Float32Array[] {
  return Array.from({ length: count }, (_, rank) => {
    const random = new RandomStream(1, "sums", rank);
    return Float32Array.from({ length }, () => random.nextNormal() * 2 ** random.nextInt(80));
  });
}

function sumOf(addends: readonly (Float32Array | Float64Array)[], length: number): Float64Array {
  return Float64Array.from({ length }, (_, i) =>
    addends.slice(1).reduce((sum, addend) => sum + addend[i]!, addends[0]![i]!),
  );
}

for (const length of [0, 1, 15, 16, 2047, 2048, 2049, 10_000]) {
  test(`${length} sums and their quotients are, bit by bit, those of additions one after the other`, () => {
    const floats = vectors(5, length);
    const doubles = Float64Array.from(floats[4]!, (value) => value * Math.PI);
    for (const [at, divisor] of [
      [0, 96.7],
      [2, 128],
      [4, 1],
    ] as const) {
      const others = floats.slice(0, 4);
      const sums = new Float64Array(length).fill(NaN);
      const quotients = new Float32Array(length);
      const expected = sumOf([...others.slice(0, at), doubles, ...others.slice(at)], length);
      const readers = others.map(readerOf);
      const addends = [...readers.slice(0, at), doubles, ...readers.slice(at)];
      addInOrder({ length, addends }, { sums, quotients, divisor });
      assert.deepEqual(sums, expected);
      assert.deepEqual(
        quotients,
        Float32Array.from(expected, (sum) => sum / divisor),
      );
    }
  });
}

test("sums can be added to, in the same memory", () => {
  const [a, b, c] = vectors(3, 5000) as [Float32Array, Float32Array, Float32Array];
  const sums = new Float64Array(5000);
  addInOrder({ length: 5000, addends: [readerOf(a), readerOf(b)] }, { sums });
  addInOrder({ length: 5000, addends: [sums, readerOf(c)] }, { sums });
  assert.deepEqual(sums, sumOf([a, b, c], 5000));
});

test("a first addend's negative zeros, infinities and NaNs stay", () => {
  const values = Float32Array.of(-0, 0, Infinity, -Infinity, NaN, 1e-45);
  const sums = new Float64Array(6);
  addInOrder({ length: 6, addends: [readerOf(values)] }, { sums });
  assert.deepEqual(sums, Float64Array.from(values));
});
