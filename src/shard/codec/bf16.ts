// The upper half of an f32: its 8 bits of exponent and 7 of mantissa, rounded to the nearest, ties to even. Too large
// becomes infinite; a NaN stays a quiet NaN.
//
// Two values are a word, the first in the low half; zeros fill the last pair of words.

import { bitsOf, inBlocks, wordsOf } from "./blocks.ts";
import type { UnbiasedCodec } from "./codec.ts";
import { inPlanes } from "./half-planes.ts";

const QUAD = 4;
const QUAD_BYTES = 8;
const BLOCK_QUADS = 256;
const INFINITY_BITS = 0x7f800000;
const QUIET_BIT = 0x400000;

/** The bf16 nearest to the f32 of these bits, in the upper half of the result (i32); the lower is to be ignored. */
export function roundToBf16(bits: number): number {
  return (bits & 0x7fffffff) > INFINITY_BITS ? bits | QUIET_BIT : (bits + 0x7fff + ((bits >>> 16) & 1)) | 0;
}

const restBytes = (length: number): number => Math.ceil(length / QUAD) * QUAD_BYTES;

const plain: UnbiasedCodec = {
  name: "bf16",
  id: 4,
  parameter: 0,
  exact: false,
  biased: false,
  restBytes,
  maxCompressibleBytes: () => 0,
  accepts: (compressibleBytes) => compressibleBytes === 0,
  encode(values, room) {
    const words = wordsOf(room.rest, restBytes(values.length) / 4);
    const quads = Math.floor(values.length / QUAD);
    const bits = bitsOf(values);
    inBlocks(quads, BLOCK_QUADS, (begin, end) => pack(bits, words, begin, end));
    if (quads * QUAD < values.length) {
      quad.fill(0).set(values.subarray(quads * QUAD));
      pack(quadBits, words.subarray(quads * 2), 0, 1);
    }
    return { rest: room.rest, compressible: room.compressible.subarray(0, 0) };
  },
  decode({ rest }, out) {
    const words = wordsOf(rest, restBytes(out.length) / 4);
    const quads = Math.floor(out.length / QUAD);
    const bits = bitsOf(out);
    inBlocks(quads, BLOCK_QUADS, (begin, end) => unpack(words, bits, begin, end));
    if (quads * QUAD < out.length) {
      unpack(words.subarray(quads * 2), quadBits, 0, 1);
      out.set(quad.subarray(0, out.length - quads * QUAD), quads * QUAD);
    }
  },
  accumulate({ rest }, sums, mode) {
    const words = wordsOf(rest, restBytes(sums.length) / 4);
    const quads = Math.floor(sums.length / QUAD);
    if (mode === "set") sums.fill(-0); // the one number that changes no other, itself included
    inBlocks(quads, BLOCK_QUADS, (begin, end) => add(words, sums, begin, end));
    if (quads * QUAD < sums.length) {
      unpack(words.subarray(quads * 2), quadBits, 0, 1);
      for (let i = quads * QUAD; i < sums.length; i++) sums[i]! += quad[i % QUAD]!;
    }
  },
};

const quad = new Float32Array(QUAD);
const quadBits = bitsOf(quad);

function pack(bits: Int32Array, words: Int32Array, begin: number, end: number): void {
  for (let i = begin * QUAD; i < end * QUAD; i += 2)
    words[i >> 1] = (roundToBf16(bits[i]!) >>> 16) | (roundToBf16(bits[i + 1]!) & 0xffff0000);
}

function unpack(words: Int32Array, bits: Int32Array, begin: number, end: number): void {
  for (let i = begin * QUAD; i < end * QUAD; i += 2) {
    const word = words[i >> 1]!;
    bits[i] = word << 16;
    bits[i + 1] = word & 0xffff0000;
  }
}

/** By way of memory that is both floats and bits: there is no other between them, and it stays in the first cache. */
function add(words: Int32Array, sums: Float64Array, begin: number, end: number): void {
  for (let i = begin * QUAD; i < end * QUAD; i += 2) {
    const word = words[i >> 1]!;
    quadBits[0] = word << 16;
    quadBits[1] = word & 0xffff0000;
    sums[i]! += quad[0]!;
    sums[i + 1]! += quad[1]!;
  }
}

export const bf16: UnbiasedCodec = { ...plain, shuffled: inPlanes(plain, 5) };
