import assert from "node:assert/strict";
import { test } from "node:test";
import { RandomStream } from "../../../src/random.ts";
import { fp16 } from "../../../src/shard/codec/fp16.ts";
import { codecContract, decodeWith, encodeWith } from "../../contract/codec.ts";

codecContract(fp16, 2 ** -11);

/** The nearest binary16 by arithmetic, for magnitudes below 2^15. */
function nearestHalf(value: number): number {
  const exponent = Math.max(-14, Math.floor(Math.log2(Math.abs(value))));
  const unit = 2 ** (exponent - 10);
  const digits = Math.abs(value) / unit;
  const below = Math.floor(digits);
  const up = digits - below > 0.5 || (digits - below === 0.5 && below % 2 === 1);
  return Math.sign(value) * (up ? below + 1 : below) * unit;
}

test("values are rounded to the nearest half, ties to even, after their block's factor, down to denormal ones", () => {
  const random = new RandomStream(4, "halves");
  const values = Float32Array.from({ length: 1024 }, (_, i) => {
    const any = random.nextNormal() * 2 ** -random.nextInt(36);
    return i % 3 === 0 ? (Math.round(any * 2 ** 12) + 0.5) * 2 ** -12 : any;
  });
  values[0] = 1.75; // the largest: the factor is 2^14
  const out = decodeWith(
    fp16,
    encodeWith(
      fp16,
      values.map((value) => (Math.abs(value) > 1.75 ? 0 : value)),
    ),
    1024,
  );
  values.forEach((value, i) => {
    if (Math.abs(value) <= 1.75) assert.ok(out[i] === nearestHalf(value * 2 ** 14) * 2 ** -14);
  });
});

test("a block of denormal numbers keeps them", () => {
  const values = Float32Array.from({ length: 100 }, (_, i) => (i - 50) * 1e-44);
  assert.deepEqual(decodeWith(fp16, encodeWith(fp16, values), 100), values);
});

test("a large value takes no digits from other blocks", () => {
  const values = new Float32Array(3000).fill(1.0009765625e-20);
  values[2500] = 3e38;
  const out = decodeWith(fp16, encodeWith(fp16, values), 3000);
  assert.ok(Math.abs(out[100]! / values[100]! - 1) < 2 ** -11);
  assert.ok(Math.abs(out[2500]! / 3e38 - 1) < 2 ** -11);
});
