// The conversions between f32 and floats of 16 bits over all patterns of bits that matter, against other arithmetic than
// the reference kernels'.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bf16Decode, bf16Encode, f16Decode, f16Encode } from "../../../src/kernels/ops/half-precision.ts";
import { runFlat } from "./run-kernel.ts";

/** Around the ties of both formats. */
const LOW_HALVES = [0, 1, 0x0fff, 0x1000, 0x1001, 0x2fff, 0x3000, 0x3001, 0x7fff, 0x8000, 0x8001, 0xffff];
const UPPER_HALVES = Uint32Array.from({ length: 0x10000 }, (_, half) => half);

/** Every upper half of an f32 with every low half above. */
const PATTERNS = Uint32Array.from(
  LOW_HALVES.flatMap((low) => Array.from(UPPER_HALVES, (half) => half * 0x10000 + low)),
);
const VALUES = new Float32Array(PATTERNS.buffer);

const ALL_HALVES = new Int32Array(Uint16Array.from(UPPER_HALVES).buffer);
const noFloat16 = typeof Float16Array === "undefined" && "this Node has no Float16Array";

function halvesOf(packed: Float32Array | Int32Array): Uint16Array {
  return new Uint16Array(packed.buffer, packed.byteOffset, packed.length * 2);
}

/** The bits of a bf16 as a float. */
function valueOfBf16(half: number): number {
  return new Float32Array(Uint32Array.of(half * 0x10000).buffer)[0]!;
}

test("f32 becomes the nearest bf16, ties to even, too large becomes infinite, and NaN stays NaN", () => {
  const halves = halvesOf(runFlat(bf16Encode, [VALUES], {})[0]!);
  // Beyond the largest float lies what would come next, were there an exponent for it.
  const finite = (half: number) => ((half & 0x7fff) === 0x7f80 ? 2 ** 128 : Math.abs(valueOfBf16(half)));
  PATTERNS.forEach((pattern, i) => {
    const value = VALUES[i]!;
    if (Number.isNaN(value)) {
      assert.ok(Number.isNaN(valueOfBf16(halves[i]!)));
      return;
    }
    const below = pattern >>> 16;
    const size = Math.abs(value);
    const toBelow = size - finite(below);
    const toAbove = finite(below + 1) - size;
    const up = size < Infinity && (toAbove < toBelow || (toAbove === toBelow && below % 2 === 1));
    if (halves[i] !== below + Number(up)) assert.fail(`${value} became ${valueOfBf16(halves[i]!)}`);
  });
});

test("every bf16 becomes the f32 that it is the upper half of", () => {
  const [floats] = runFlat(bf16Decode, [ALL_HALVES], { length: 0x10000 });
  const want = UPPER_HALVES.map((half) => half * 0x10000);
  assert.deepEqual(new Uint32Array(floats!.buffer, floats!.byteOffset, floats!.length), want);
});

test("f32 becomes the nearest f16 as the engine rounds it", { skip: noFloat16 }, () => {
  const halves = halvesOf(runFlat(f16Encode, [VALUES], {})[0]!);
  const got = new Float16Array(halves.buffer, halves.byteOffset, halves.length);
  const want = Float16Array.from(VALUES);
  const wanted = new Uint16Array(want.buffer);
  VALUES.forEach((value, i) => {
    const equal = Number.isNaN(value) ? Number.isNaN(got[i]!) : halves[i] === wanted[i];
    if (!equal) assert.fail(`${value} became ${got[i]} but expected ${want[i]}`);
  });
});

test(
  "every f16 becomes the f32 of the same value, signs of zeros and subnormals included",
  { skip: noFloat16 },
  () => {
    const [floats] = runFlat(f16Decode, [ALL_HALVES], { length: 0x10000 });
    const want = Float32Array.from(new Float16Array(ALL_HALVES.buffer));
    assert.deepEqual(floats, want);
  },
);
