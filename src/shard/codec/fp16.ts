// IEEE 754's binary16: 5 bits of exponent, 10 of mantissa. Five bits are few for gradients: each block of values is
// multiplied by the power of two that takes its largest to [2^14, 2^15), so that what is up to 2^28 times smaller keeps
// all its digits. Rounding is to the nearest, ties to even. In a block with an infinity or a NaN only these are kept.
//
// First the exponents of the blocks' factors (i32), then the halves, then zeros up to a multiple of 8 bytes.

import type { Local } from "../../wasm/emitter.ts";
import { f32x4, i16x8, i32, i32x4, v128, type Body, type I32 } from "../../wasm/instructions.ts";
import { acrossLanes } from "../../wasm/rows.ts";
import { VectorMath } from "../../wasm/vector-math.ts";
import { addressOf, forPasses } from "../simd/passes.ts";
import { AT, clear, inWindow } from "../simd/window.ts";
import type { UnbiasedCodec } from "./codec.ts";
import { halvesCodec } from "./halves.ts";

/** Values that share a scale. */
export const FP16_BLOCK = 1024;
const EXPONENT_BYTES = 4;
const HALF_BYTES = 2;
const FLOAT_BYTES = 4;
const VECTOR_BYTES = 16;
const PASS_VALUES = 16;
const FILL_BYTES = 8;

const MANTISSA_BITS = 23;
const F32_BIAS = 127;
/** Of the largest value of a block. */
const LARGEST_EXPONENT = 14;
const SIGN_BIT = -0x80000000;

// The conversions are those of M. Dukhan's FP16 library, as the kernels of f16-encode and f16-decode have them: beside a
// power of two whose last digit is worth what the half's is, the hardware's own addition rounds.

const kernels = inWindow({
  /** Exponents to `shared`, halves to `encoded`. */
  encode: (module) =>
    module.func("encode", ["count"], (p, f) => {
      const math = new VectorMath(f);
      const { end, exponent, from, to } = f.named("i32", ["end", "exponent", "from", "to"]);
      const { largest, factor, otherFactor } = f.named("v128", ["largest", "factor", "otherFactor"]);
      const { x, sign, doubled } = f.named("v128", ["x", "sign", "doubled"]);
      const halves = f.locals("v128", PASS_VALUES / 4);
      const INFINITY_DOUBLED = 0xff00_0000 | 0;
      const LEAST_NORMAL_DOUBLED = 0x7100_0000;
      const convert = (result: Local<"v128">): Body => [
        sign.set(v128.and(i32x4.shrU(x, 16), math.integer(0x8000))),
        x.set(f32x4.mul(f32x4.mul(x, factor), otherFactor)),
        doubled.set(i32x4.add(x, x)),
        result.set(
          i32x4.maxU(v128.and(doubled, math.integer(INFINITY_DOUBLED)), math.integer(LEAST_NORMAL_DOUBLED)),
        ),
        result.set(i32x4.add(i32x4.shrU(result, 1), math.integer(15 << MANTISSA_BITS))),
        result.set(f32x4.add(result, f32x4.mul(f32x4.abs(x), math.constant(4)))),
        result.set(
          i32x4.add(
            v128.and(i32x4.shrU(result, 13), math.integer(0x7c00)),
            v128.and(result, math.integer(0xfff)),
          ),
        ),
        result.set(
          v128.bitselect(math.integer(0x7e00), result, i32x4.gtU(doubled, math.integer(INFINITY_DOUBLED))),
        ),
        result.set(v128.or(result, sign)),
      ];
      const main = forPasses(f, 0, p.count, FP16_BLOCK, (block) => [
        end.set(blockEnd(block, p.count)),
        largest.set(v128.zero),
        forPasses(f, block, end, PASS_VALUES, (first) => [
          from.set(addressOf(first, FLOAT_BYTES)),
          // Magnitudes compare as integers, NaNs above all.
          halves.map((_, j) =>
            largest.set(i32x4.maxU(largest, f32x4.abs(v128.load(from, AT.values + j * VECTOR_BYTES)))),
          ),
        ]),
        acrossLanes(largest, i32x4.maxU),
        exponent.set(i32.shrU(i32x4.extractLane(largest, 0), MANTISSA_BITS)),
        exponent.set(i32.sub(LARGEST_EXPONENT + F32_BIAS, i32.select(exponent, exponent, 1))),
        i32.store(i32.shrU(block, Math.log2(FP16_BLOCK / EXPONENT_BYTES)), exponent, AT.shared),
        powerOfTwo(exponent, factor, otherFactor),
        forPasses(f, block, end, PASS_VALUES, (first) => [
          from.set(addressOf(first, FLOAT_BYTES)),
          to.set(addressOf(first, HALF_BYTES)),
          halves.map((half, j) => [x.set(v128.load(from, AT.values + j * VECTOR_BYTES)), convert(half)]),
          [0, 1].map((j) =>
            v128.store(
              to,
              i16x8.narrowI32x4U(halves[2 * j]!, halves[2 * j + 1]!),
              AT.encoded + j * VECTOR_BYTES,
            ),
          ),
        ]),
      ]);
      return [math.prologue(), main];
    }),
  decode: (module) =>
    module.func("decode", ["count"], (p, f) => {
      const math = new VectorMath(f);
      const { end, exponent, from, to } = f.named("i32", ["end", "exponent", "from", "to"]);
      const { factor, otherFactor } = f.named("v128", ["factor", "otherFactor"]);
      const { eight, aligned, doubled, value } = f.named("v128", ["eight", "aligned", "doubled", "value"]);
      const LEAST_NORMAL_DOUBLED = 1 << 27;
      const HALF = (F32_BIAS - 1) << MANTISSA_BITS;
      const normal = f32x4.mul(
        i32x4.add(i32x4.shrU(doubled, 4), math.integer(0xe0 << MANTISSA_BITS)),
        math.constant(2 ** -112),
      );
      const denormal = f32x4.sub(v128.or(i32x4.shrU(doubled, 17), math.integer(HALF)), math.constant(0.5));
      const main = forPasses(f, 0, p.count, FP16_BLOCK, (block) => [
        end.set(blockEnd(block, p.count)),
        exponent.set(i32.load(i32.shrU(block, Math.log2(FP16_BLOCK / EXPONENT_BYTES)), AT.shared)),
        exponent.set(i32.sub(0, exponent)),
        powerOfTwo(exponent, factor, otherFactor),
        forPasses(f, block, end, PASS_VALUES, (first) => [
          from.set(addressOf(first, HALF_BYTES)),
          to.set(addressOf(first, FLOAT_BYTES)),
          [0, 1].map((j) => [
            eight.set(v128.load(from, AT.encoded + j * VECTOR_BYTES)),
            [i32x4.extendLowI16x8U(eight), i32x4.extendHighI16x8U(eight)].map((four, k) => [
              aligned.set(i32x4.shl(four, 16)),
              doubled.set(i32x4.add(aligned, aligned)),
              value.set(
                v128.bitselect(denormal, normal, i32x4.ltU(doubled, math.integer(LEAST_NORMAL_DOUBLED))),
              ),
              value.set(v128.or(value, v128.and(aligned, math.integer(SIGN_BIT)))),
              v128.store(
                to,
                f32x4.mul(f32x4.mul(value, factor), otherFactor),
                AT.values + (2 * j + k) * VECTOR_BYTES,
              ),
            ]),
          ]),
        ]),
      ]);
      return [math.prologue(), main];
    }),
});

/** The end of a block's passes. */
function blockEnd(block: Local<"i32">, count: I32): I32 {
  const whole = i32.add(block, FP16_BLOCK);
  return i32.select(i32.ltU(whole, count), whole, count);
}

/** factor * other = 2^exponent: the product of a value with one of them is exact, or too small to matter. */
function powerOfTwo(exponent: Local<"i32">, factor: Local<"v128">, other: Local<"v128">): Body {
  const splat = (power: I32) => i32x4.splat(i32.shl(i32.add(power, F32_BIAS), MANTISSA_BITS));
  const half = i32.shrS(exponent, 1);
  return [factor.set(splat(half)), other.set(splat(i32.sub(exponent, half)))];
}

const blockCount = (length: number): number => Math.ceil(length / FP16_BLOCK);
const bytes = (length: number): number =>
  Math.ceil((blockCount(length) * EXPONENT_BYTES + length * HALF_BYTES) / FILL_BYTES) * FILL_BYTES;

export const fp16: UnbiasedCodec = halvesCodec({
  name: "fp16",
  ids: [6, 7],
  bytes,
  stretches(begin, end, length) {
    const halvesAt = blockCount(length) * EXPONENT_BYTES + begin * HALF_BYTES;
    const halvesEnd = end === length ? bytes(length) : halvesAt + (end - begin) * HALF_BYTES;
    return [
      {
        at: (begin / FP16_BLOCK) * EXPONENT_BYTES,
        sizeBytes: blockCount(end - begin) * EXPONENT_BYTES,
        address: AT.shared,
      },
      { at: halvesAt, sizeBytes: halvesEnd - halvesAt, address: AT.encoded },
    ];
  },
  encode(count) {
    kernels().encode(count);
    clear(AT.encoded + count * HALF_BYTES, AT.encoded + count * HALF_BYTES + FILL_BYTES);
  },
  decode: (count) => kernels().decode(count),
});
