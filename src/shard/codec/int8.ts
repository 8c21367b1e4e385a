// Integers of 8 bits with a scale for each block of 512 values: x is about q * scale, q a byte, and rounded up
// with the probability of what is above the integer below, so that the mean of many encodings is x (QSGD: Alistarh et
// al., NeurIPS 2017, section 3). A block that holds an infinity or a NaN decodes to NaNs.
//
// Philox would take most of a round, and rounding needs no such quality: each block has a xorshift generator of its own
// (Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (14), 2003), and four blocks run side by side.

import type { FunctionBuilder, Local } from "../../wasm/emitter.ts";
import {
  f32,
  f32x4,
  f64,
  f64x2,
  i16x8,
  i32,
  i32x4,
  i8x16,
  shuffle32,
  v128,
  type Body,
  type V128,
} from "../../wasm/instructions.ts";
import { acrossLanes } from "../../wasm/rows.ts";
import { transpose4x4 } from "../../wasm/transpose.ts";
import { addressOf, blockKernel, forPasses } from "../simd/passes.ts";
import { AT, bytesOf, copyIn, copyOut, inWindow } from "../simd/window.ts";
import { decodeBlocks, encodeBlocks } from "./blocks.ts";
import type { Encoded, UnbiasedCodec } from "./codec.ts";

/** Values that share a scale. */
export const INT8_BLOCK = 512;
const SCALE_BYTES = 4;
/** No scale is less, so that none is 0 or has lost digits: the smallest normal float. */
const MINIMUM_SCALE = 2 ** -126;
const LARGEST = 127;
const INFINITY_BITS = 0x7f800000;
const QUIET_NAN_BITS = 0x7fc00000;

const FLOAT_BYTES = 4;
const WORD_BYTES = 4;
const VECTOR_BYTES = 16;
const PASS_VALUES = 16;
/** Random bits of a value: it is rounded in units of 2^-16 of the scale, these are added, and 16 bits dropped. */
const RANDOM_BITS = 16;
const RANDOM_BYTES = RANDOM_BITS / 8;
/** Blocks whose generators run side by side. */
const LANES = 4;
const BLOCK_RANDOM_BYTES = INT8_BLOCK * RANDOM_BYTES;

const blockCount = (length: number): number => Math.ceil(length / INT8_BLOCK);

const kernels = inWindow({
  /** Of the window's blocks, the first of which is number `block`: scales to `shared`, integers to `encoded`. */
  encode: (module) =>
    module.func("encode", ["count", "seed", "block"], (p, f) => {
      const { end, scaleAt } = f.named("i32", ["end", "scaleAt"]);
      const blockEnd = (begin: Local<"i32">) => i32.add(begin, INT8_BLOCK);
      return [
        randomNumbers(f, p),
        forPasses(f, 0, p.count, INT8_BLOCK, (begin) => [
          end.set(i32.select(i32.ltU(blockEnd(begin), p.count), blockEnd(begin), p.count)),
          scaleAt.set(addressOf(i32.shrU(begin, Math.log2(INT8_BLOCK)), SCALE_BYTES)),
          findScale(f, begin, end, scaleAt),
          round(f, begin, end, scaleAt),
        ]),
      ];
    }),
  /** The reverse. */
  decode: blockKernel("decode", PASS_VALUES, (f, first) => {
    const { to, scaleAt } = f.named("i32", ["to", "scaleAt"]);
    const { scale, bytes, eight } = f.named("v128", ["scale", "bytes", "eight"]);
    return {
      pass: [
        to.set(addressOf(first, FLOAT_BYTES)),
        scaleAt.set(addressOf(i32.shrU(first, Math.log2(INT8_BLOCK)), SCALE_BYTES)),
        scale.set(v128.load32Splat(scaleAt, AT.shared)),
        bytes.set(v128.load(first, AT.encoded)),
        [i16x8.extendLowI8x16S(bytes), i16x8.extendHighI8x16S(bytes)].map((half, j) => [
          eight.set(half),
          [i32x4.extendLowI16x8S(eight), i32x4.extendHighI16x8S(eight)].map((four, k) =>
            v128.store(
              to,
              f32x4.mul(f32x4.convertI32x4S(four), scale),
              AT.values + (2 * j + k) * VECTOR_BYTES,
            ),
          ),
        ]),
      ],
    };
  }),
});

/** 16 bits for each value of four blocks, to `scratch`. Each number of a generator is two of them, the low ones first. */
function randomNumbers(
  f: FunctionBuilder,
  { count, seed, block }: Readonly<Record<"count" | "seed" | "block", Local<"i32">>>,
): Body {
  const { state } = f.named("v128", ["state"]);
  const square = transpose4x4(f);
  const PASS = 2 * LANES;
  const xorshift = (left: number, right: number, last: number): Body => [
    state.set(v128.xor(state, i32x4.shl(state, left))),
    state.set(v128.xor(state, i32x4.shrU(state, right))),
    state.set(v128.xor(state, i32x4.shl(state, last))),
  ];
  const mix = (shift: number, factor: number) =>
    state.set(i32x4.mul(v128.xor(state, i32x4.shrU(state, shift)), i32x4.splat(factor)));
  const numbers = i32x4.add(i32x4.splat(block), i32x4.const([1, 2, 3, 4]));
  return [
    // The start of a block's numbers: the finaliser of MurmurHash3, a bijection; never 0.
    state.set(i32x4.add(i32x4.splat(seed), i32x4.mul(numbers, i32x4.splat(0x9e3779b1)))),
    mix(16, 0x85ebca6b),
    mix(13, 0xc2b2ae35),
    state.set(v128.xor(state, i32x4.shrU(state, 16))),
    state.set(i32x4.sub(state, i32x4.eq(state, v128.zero))),
    // No block is longer than the first.
    forPasses(f, 0, i32.select(i32.ltU(count, INT8_BLOCK), count, INT8_BLOCK), PASS, (first) => [
      square.rows.map((row) => [xorshift(13, 17, 5), row.set(state)]),
      square.interleave,
      square.columns.map((numbers, lane) =>
        v128.store(addressOf(first, RANDOM_BYTES), numbers, AT.scratch + lane * BLOCK_RANDOM_BYTES),
      ),
    ]),
  ];
}

function findScale(f: FunctionBuilder, begin: Local<"i32">, end: Local<"i32">, scaleAt: Local<"i32">): Body {
  const largest = f.local("v128");
  const { from, bits } = f.named("i32", ["from", "bits"]);
  return [
    largest.set(v128.zero),
    forPasses(f, begin, end, PASS_VALUES, (first) => [
      from.set(addressOf(first, FLOAT_BYTES)),
      // Magnitudes compare as integers, NaNs above all.
      [0, 1, 2, 3].map((j) =>
        largest.set(i32x4.maxU(largest, f32x4.abs(v128.load(from, AT.values + j * VECTOR_BYTES)))),
      ),
    ]),
    acrossLanes(largest, i32x4.maxU),
    bits.set(i32x4.extractLane(largest, 0)),
    largest.set(f32x4.div(largest, f32x4.splat(f32.const(LARGEST)))),
    largest.set(f32x4.pmax(largest, f32x4.splat(f32.const(MINIMUM_SCALE)))),
    i32.store(
      scaleAt,
      i32.select(i32.ltU(bits, INFINITY_BITS), i32x4.extractLane(largest, 0), QUIET_NAN_BITS),
      AT.shared,
    ),
  ];
}

function round(f: FunctionBuilder, begin: Local<"i32">, end: Local<"i32">, scaleAt: Local<"i32">): Body {
  const { from, random } = f.named("i32", ["from", "random"]);
  const { units, bias, isNumber } = f.named("v128", ["units", "bias", "isNumber"]);
  const { value, random8 } = f.named("v128", ["value", "random8"]);
  const integers = f.locals("v128", PASS_VALUES / 4);
  const unit = f.local("f64");
  /** The low word of each sum is the integer: conversions would take several instructions each. */
  const unitsOf = (two: V128): V128 => f64x2.add(f64x2.floor(f64x2.mul(two, units)), bias);
  const promotedHigh = f64x2.promoteLowF32x4(shuffle32(value, value, [2, 3, 2, 3]));
  return [
    unit.set(f64.div(f64.const(2 ** RANDOM_BITS), f64.promoteF32(f32.load(scaleAt, AT.shared)))),
    units.set(f64x2.splat(unit)),
    bias.set(f64x2.splat(f64.const(1.5 * 2 ** 52))),
    isNumber.set(v128.load32Splat(scaleAt, AT.shared)),
    isNumber.set(f32x4.eq(isNumber, isNumber)),
    forPasses(f, begin, end, PASS_VALUES, (first) => [
      from.set(addressOf(first, FLOAT_BYTES)),
      random.set(addressOf(first, RANDOM_BYTES)),
      integers.map((four, j) => [
        value.set(v128.load(from, AT.values + j * VECTOR_BYTES)),
        j % 2 === 0 ? random8.set(v128.load(random, AT.scratch + (j / 2) * VECTOR_BYTES)) : [],
        four.set(shuffle32(unitsOf(f64x2.promoteLowF32x4(value)), unitsOf(promotedHigh), [0, 2, 4, 6])),
        four.set(
          i32x4.shrS(
            i32x4.add(
              v128.and(four, isNumber),
              j % 2 === 0 ? i32x4.extendLowI16x8U(random8) : i32x4.extendHighI16x8U(random8),
            ),
            RANDOM_BITS,
          ),
        ),
      ]),
      v128.store(
        first,
        i8x16.narrowI16x8S(
          i16x8.narrowI32x4S(integers[0]!, integers[1]!),
          i16x8.narrowI32x4S(integers[2]!, integers[3]!),
        ),
        AT.encoded,
      ),
    ]),
  ];
}

const reader =
  ({ rest, compressible }: Encoded) =>
  (begin: number, end: number): void => {
    const block = begin / INT8_BLOCK;
    copyIn(AT.shared, rest, block * SCALE_BYTES, blockCount(end) * SCALE_BYTES);
    copyIn(AT.encoded, compressible, begin, end);
    kernels().decode(end - begin);
  };

export const int8: UnbiasedCodec = {
  name: "int8",
  id: 8,
  parameter: 0,
  exact: false,
  biased: false,
  words: {
    count: (length) => blockCount(length) + Math.ceil(length / WORD_BYTES),
    toEncoded(words, length) {
      const bytes = bytesOf(words);
      const scaleBytes = blockCount(length) * SCALE_BYTES;
      return {
        rest: bytes.subarray(0, scaleBytes),
        compressible: bytes.subarray(scaleBytes, scaleBytes + length),
      };
    },
  },
  restBytes: (length) => blockCount(length) * SCALE_BYTES,
  maxCompressibleBytes: (length) => length,
  accepts: (compressibleBytes, length) => compressibleBytes === length,
  encode(values, room, seed) {
    encodeBlocks(values, (begin, end) => {
      const block = begin / INT8_BLOCK;
      kernels().encode(end - begin, seed, block);
      copyOut(room.rest, block * SCALE_BYTES, AT.shared, blockCount(end - begin) * SCALE_BYTES);
      copyOut(room.compressible, begin, AT.encoded, end - begin);
    });
    return room;
  },
  decode: (encoded, out) => decodeBlocks(reader(encoded), out),
  reader,
};
