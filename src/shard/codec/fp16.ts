// IEEE 754's binary16: 5 bits of exponent, 10 of mantissa. Five bits are few for gradients: each block of values is
// multiplied by the power of two that takes its largest to [2^14, 2^15), so that what is up to 2^28 times smaller keeps
// all its digits. Rounding is to the nearest, ties to even. In a block with an infinity or a NaN only these are kept.
//
// First the exponents of the blocks' factors (i32), then the halves, then zeros up to a multiple of 8 bytes.

import { bitsOf, halvesOf, inBlocks, largestMagnitude, wordsOf } from "./blocks.ts";
import type { UnbiasedCodec } from "./codec.ts";
import { inPlanes } from "./half-planes.ts";

const BLOCK = 1024;
const EXPONENT_BYTES = 4;

const blockCount = (length: number): number => Math.ceil(length / BLOCK);
const restBytes = (length: number): number =>
  Math.ceil((blockCount(length) * EXPONENT_BYTES + length * 2) / 8) * 8;

function partsOf(rest: Uint8Array, length: number): { exponents: Int32Array; halves: Uint16Array } {
  const blocks = blockCount(length);
  return {
    exponents: wordsOf(rest, blocks),
    halves: halvesOf(rest.subarray(blocks * EXPONENT_BYTES), restBytes(length) / 2 - blocks * 2),
  };
}

const plain: UnbiasedCodec = {
  name: "fp16",
  id: 6,
  parameter: 0,
  exact: false,
  biased: false,
  restBytes,
  maxCompressibleBytes: () => 0,
  accepts: (compressibleBytes) => compressibleBytes === 0,
  encode(values, room) {
    const { exponents, halves } = partsOf(room.rest, values.length);
    const bits = bitsOf(values);
    inBlocks(values.length, BLOCK, (begin, end, block) => {
      const exponent = scaleExponent(bits, begin, end);
      exponents[block] = exponent;
      pack(bits, halves, exponent, begin, end);
    });
    halves.fill(0, values.length);
    return { rest: room.rest, compressible: room.compressible.subarray(0, 0) };
  },
  decode({ rest }, out) {
    const { exponents, halves } = partsOf(rest, out.length);
    inBlocks(out.length, BLOCK, (begin, end, block) =>
      unpack(halves, out, inverse(exponents[block]!), begin, end),
    );
  },
  accumulate({ rest }, sums, mode) {
    const { exponents, halves } = partsOf(rest, sums.length);
    if (mode === "set") sums.fill(-0); // the one number that changes no other, itself included
    inBlocks(sums.length, BLOCK, (begin, end, block) =>
      add(halves, sums, inverse(exponents[block]!), begin, end),
    );
  },
};

const inverse = (exponent: number): number => 2 ** -(exponent | 0);

/** s such that the largest magnitude times 2^s lies in [2^14, 2^15); below that for denormals. */
function scaleExponent(bits: Int32Array, begin: number, end: number): number {
  return 14 + 127 - Math.max(1, largestMagnitude(bits, begin, end) >>> 23);
}

const F32_LEAST_NORMAL = 0x00800000;
const F32_INFINITY = 0x7f800000;
const MANTISSA_SHIFT = 13;
const BIAS_DIFFERENCE = 127 - 15;
/** 2^-14 as an f32. */
const HALF_LEAST_NORMAL = 0x38800000;

function pack(bits: Int32Array, halves: Uint16Array, exponent: number, begin: number, end: number): void {
  // The exponent is changed by addition; a carry out of the rounded digits goes where it belongs.
  const toHalf = ((exponent - BIAS_DIFFERENCE) << 23) + 0xfff;
  /** The f32 magnitudes from which on the half is a normal number. */
  const leastNormal = Math.max(F32_LEAST_NORMAL, HALF_LEAST_NORMAL - (exponent << 23));
  for (let i = begin; i < end; i++) {
    const value = bits[i]!;
    const magnitude = value & 0x7fffffff;
    let half = ((magnitude + toHalf) | 0) + ((magnitude >>> MANTISSA_SHIFT) & 1);
    half >>= MANTISSA_SHIFT;
    if (magnitude < leastNormal || magnitude >= F32_INFINITY)
      half = magnitude === 0 ? 0 : unusual(magnitude, exponent);
    halves[i] = half | ((value >>> 16) & 0x8000);
  }
}

const one = new Float32Array(1);
const oneBits = bitsOf(one);

/** The half's magnitude where the half or the f32 is denormal, infinite or no number. */
function unusual(magnitude: number, exponent: number): number {
  if (magnitude >= F32_INFINITY) return magnitude === F32_INFINITY ? 0x7c00 : 0x7e00;
  oneBits[0] = magnitude;
  const scaled = one[0]! * 2 ** exponent;
  // f64 has 52 digits behind the point: beside 2^52 those below 1 fall off, rounded to even.
  if (scaled < 2 ** -14) return scaled * 2 ** 24 + 2 ** 52 - 2 ** 52;
  one[0] = scaled;
  const normal = oneBits[0] - (BIAS_DIFFERENCE << 23);
  return (normal + 0xfff + ((normal >>> MANTISSA_SHIFT) & 1)) >>> MANTISSA_SHIFT;
}

function unpack(halves: Uint16Array, out: Float32Array, factor: number, begin: number, end: number): void {
  const table = (values ??= valuesOfHalves());
  for (let i = begin; i < end; i++) out[i] = table[halves[i]!]! * factor;
}

function add(halves: Uint16Array, sums: Float64Array, factor: number, begin: number, end: number): void {
  const table = (values ??= valuesOfHalves());
  for (let i = begin; i < end; i++) sums[i]! += Math.fround(table[halves[i]!]! * factor);
}

let values: Float32Array | undefined;

/** Of all 65,536: faster than arithmetic. */
function valuesOfHalves(): Float32Array {
  return Float32Array.from({ length: 0x10000 }, (_, half) => {
    const sign = half < 0x8000 ? 1 : -1;
    const exponent = (half >>> 10) & 31;
    const mantissa = (half & 0x3ff) / 0x400;
    if (exponent === 31) return mantissa === 0 ? sign * Infinity : NaN;
    return exponent === 0 ? sign * mantissa * 2 ** -14 : sign * (1 + mantissa) * 2 ** (exponent - 15);
  });
}

export const fp16: UnbiasedCodec = { ...plain, shuffled: inPlanes(plain, 7) };
