// The upper half of an f32: its 8 bits of exponent and 7 of mantissa, rounded to the nearest, ties to even. Too large
// becomes infinite; a NaN stays a quiet NaN. Zeros fill the last four words.

import { f32x4, i16x8, i32x4, v128 } from "../../wasm/instructions.ts";
import { addressOf, blockKernel } from "../simd/passes.ts";
import { AT, inWindow } from "../simd/window.ts";
import type { UnbiasedCodec } from "./codec.ts";
import { halvesCodec } from "./halves.ts";

const QUAD = 4;
const HALF_BYTES = 2;
const FLOAT_BYTES = 4;
const DROPPED_BITS = 16;
const INFINITY_BITS = 0x7f800000;
const QUIET_BIT = 0x400000;

/** The bf16 nearest to the f32 of these bits, in the upper half of the result (i32); the lower is to be ignored. */
export function roundToBf16(bits: number): number {
  return (bits & 0x7fffffff) > INFINITY_BITS ? bits | QUIET_BIT : (bits + 0x7fff + ((bits >>> 16) & 1)) | 0;
}

const PASS_VALUES = 16;
const VECTOR_BYTES = 16;

const kernels = inWindow({
  encode: blockKernel("encode", PASS_VALUES, (f, first) => {
    const { from, to } = f.named("i32", ["from", "to"]);
    const values = f.locals("v128", PASS_VALUES / 4);
    const { one, half, quiet } = f.named("v128", ["one", "half", "quiet"]);
    const rounded = (x: (typeof values)[number]) => {
      const lastKept = v128.and(i32x4.shrU(x, DROPPED_BITS), one);
      return v128.bitselect(v128.or(x, quiet), i32x4.add(i32x4.add(x, half), lastKept), f32x4.ne(x, x));
    };
    return {
      before: [one.set(i32x4.splat(1)), half.set(i32x4.splat(0x7fff)), quiet.set(i32x4.splat(QUIET_BIT))],
      pass: [
        from.set(addressOf(first, FLOAT_BYTES)),
        to.set(addressOf(first, HALF_BYTES)),
        values.map((value, j) => [
          value.set(v128.load(from, AT.values + j * VECTOR_BYTES)),
          value.set(i32x4.shrU(rounded(value), DROPPED_BITS)),
        ]),
        [0, 1].map((j) =>
          v128.store(
            to,
            i16x8.narrowI32x4U(values[2 * j]!, values[2 * j + 1]!),
            AT.encoded + j * VECTOR_BYTES,
          ),
        ),
      ],
    };
  }),
  decode: blockKernel("decode", PASS_VALUES, (f, first) => {
    const { from, to } = f.named("i32", ["from", "to"]);
    const halves = f.local("v128");
    return {
      pass: [
        from.set(addressOf(first, HALF_BYTES)),
        to.set(addressOf(first, FLOAT_BYTES)),
        [0, 1].map((j) => [
          halves.set(v128.load(from, AT.encoded + j * VECTOR_BYTES)),
          [i32x4.extendLowI16x8U(halves), i32x4.extendHighI16x8U(halves)].map((words, k) =>
            v128.store(to, i32x4.shl(words, DROPPED_BITS), AT.values + (2 * j + k) * VECTOR_BYTES),
          ),
        ]),
      ],
    };
  }),
});

const fill = (length: number): number => Math.ceil(length / QUAD) * QUAD;

export const bf16: UnbiasedCodec = halvesCodec({
  name: "bf16",
  ids: [4, 5],
  bytes: (length) => fill(length) * HALF_BYTES,
  stretches: (begin, end) => [
    { at: begin * HALF_BYTES, sizeBytes: fill(end - begin) * HALF_BYTES, address: AT.encoded },
  ],
  encode: (count) => kernels().encode(count),
  decode: (count) => kernels().decode(count),
});
