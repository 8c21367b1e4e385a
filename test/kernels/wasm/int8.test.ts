import assert from "node:assert/strict";
import { test } from "node:test";
import { int8Decode, int8Encode, type Int8EncodeParams } from "../../../src/kernels/ops/int8.ts";
import { RandomStream } from "../../../src/random.ts";
import { runFlat } from "./run-kernel.ts";

const BLOCK = 256;

function roundTrip(
  x: Float32Array,
  { blockElements, rounding }: Int8EncodeParams,
  counters = [1, 2, 3, 4],
): { readonly y: Float32Array; readonly scales: Float32Array } {
  const operands = rounding === "stochastic" ? [x, Int32Array.from(counters)] : [x];
  const [packed, scales] = runFlat(int8Encode, operands, { blockElements, rounding });
  const [y] = runFlat(int8Decode, [packed!, scales!], { blockElements, length: x.length });
  return { y: y as Float32Array, scales: scales as Float32Array };
}

/** Blocks of very different magnitudes, down to subnormal numbers. */
function gradients(length: number): Float32Array {
  const random = new RandomStream(1, "int8");
  return Float32Array.from(
    { length },
    (_, i) => random.nextNormal() * 2 ** (120 - 27 * Math.floor(i / BLOCK)),
  );
}

for (const rounding of ["nearest", "stochastic"] as const)
  for (const blockElements of [BLOCK, 10_000])
    test(`int8 of blocks of ${blockElements}, rounded ${rounding}, errs by no more than its step`, () => {
      const x = gradients(10 * BLOCK + 77);
      const { y, scales } = roundTrip(x, { blockElements, rounding });
      x.forEach((value, i) => {
        const step = scales[Math.floor(i / blockElements)]!;
        const bound = (rounding === "nearest" ? 0.5 : 1) * step * (1 + 1e-5);
        if (!(Math.abs(y[i]! - value) <= bound)) assert.fail(`[${i}] = ${value} became ${y[i]}`);
      });
      assert.ok(
        y.some((value) => Math.abs(value) === Math.fround(127 * scales[0]!)),
        "the largest magnitude is 127 steps",
      );
    });

test("stochastic rounding is right on average, and leaves integers as they are", () => {
  const length = 100_000;
  const x = Float32Array.from({ length }, (_, i) => [127, 0.3, -5, -2.75][i % 4]!);
  const { y } = roundTrip(x, { blockElements: length, rounding: "stochastic" });
  const mean = (phase: number) =>
    y.filter((_, i) => i % 4 === phase).reduce((sum, value) => sum + value, 0) / (length / 4);
  assert.deepEqual([mean(0), mean(2)], [127, -5]);
  assert.ok(Math.abs(mean(1) - 0.3) < 0.01, `${mean(1)}`);
  assert.ok(Math.abs(mean(3) + 2.75) < 0.01, `${mean(3)}`);
});

test("stochastic rounding is a function of step, chunk, seed and rank", () => {
  const x = gradients(500);
  const encode = (...counters: number[]) =>
    roundTrip(x, { blockElements: BLOCK, rounding: "stochastic" }, counters).y;
  const first = encode(1, 2, 3, 4);
  assert.deepEqual(encode(1, 2, 3, 4), first);
  for (const other of [encode(9, 2, 3, 4), encode(1, 9, 3, 4), encode(1, 2, 9, 4), encode(1, 2, 3, 9)])
    assert.notDeepEqual(other, first);
});

test("a block with an infinity or a NaN becomes NaNs, and no other block does", () => {
  for (const bad of [NaN, Infinity, -Infinity]) {
    const x = new Float32Array(3 * BLOCK).fill(0.5);
    x[BLOCK + 100] = bad;
    const { y } = roundTrip(x, { blockElements: BLOCK, rounding: "nearest" });
    y.forEach((value, i) => {
      assert.equal(Number.isNaN(value), i >= BLOCK && i < 2 * BLOCK, `[${i}] = ${value}`);
    });
  }
});

test("a block of zeros stays zeros", () => {
  const { y } = roundTrip(new Float32Array(70), { blockElements: 32, rounding: "nearest" });
  assert.deepEqual(y, new Float32Array(70));
});
