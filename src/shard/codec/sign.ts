// One bit for each value and, for each block of 1,024, the mean of their magnitudes: x becomes plus or minus the mean.
// Converges with error feedback only (1-bit SGD: Seide et al., Interspeech 2014; EF-SignSGD: Karimireddy et al., ICML
// 2019, algorithm 1, with scaled signs). A block that holds an infinity or a NaN decodes to such.
//
// `rest` has the means (f32), `compressible` the signs, the first value's in the lowest bit; zeros fill the last word.

import { bitsOf, floatsOf, inBlocks, wordsOf } from "./blocks.ts";
import type { BiasedCodec, Encoded } from "./codec.ts";

const BLOCK = 1024;
const WORD_BITS = 32;
const FLOAT_BYTES = 4;

const blockCount = (length: number): number => Math.ceil(length / BLOCK);
const wordCount = (length: number): number => Math.ceil(length / WORD_BITS);

interface Parts {
  /** [blocks] */
  readonly means: Float32Array;
  readonly signs: Uint32Array;
}

const partsOf = ({ rest, compressible }: Encoded, length: number): Parts => ({
  means: floatsOf(rest, blockCount(length)),
  signs: wordsOf(compressible, wordCount(length)),
});

export const sign: BiasedCodec = {
  name: "sign",
  id: 9,
  parameter: 0,
  exact: false,
  biased: true,
  restBytes: (length) => blockCount(length) * FLOAT_BYTES,
  maxCompressibleBytes: (length) => wordCount(length) * 4,
  accepts: (compressibleBytes, length) => compressibleBytes === wordCount(length) * 4,
  encode(values, room) {
    const { means, signs } = partsOf(room, values.length);
    const bits = bitsOf(values);
    inBlocks(values.length, BLOCK, (begin, end, block) => {
      means[block] = meanMagnitude(values, begin, end);
      pack(bits, signs, begin, end);
    });
    return room;
  },
  decode(encoded, out) {
    const { means, signs } = partsOf(encoded, out.length);
    inBlocks(out.length, BLOCK, (begin, end, block) => unpack(signs, means[block]!, out, begin, end));
  },
  accumulate(encoded, sums, mode) {
    const { means, signs } = partsOf(encoded, sums.length);
    if (mode === "set") sums.fill(-0); // the one number that changes no other, itself included
    inBlocks(sums.length, BLOCK, (begin, end, block) => add(signs, means[block]!, sums, begin, end));
  },
  subtract(encoded, values) {
    const { means, signs } = partsOf(encoded, values.length);
    inBlocks(values.length, BLOCK, (begin, end, block) => take(signs, means[block]!, values, begin, end));
  },
};

function meanMagnitude(values: Float32Array, begin: number, end: number): number {
  let sum = 0;
  for (let i = begin; i < end; i++) sum += Math.abs(values[i]!);
  return sum / (end - begin);
}

function pack(bits: Uint32Array, signs: Uint32Array, begin: number, end: number): void {
  for (let i = begin; i < end; i += WORD_BITS) {
    const last = Math.min(WORD_BITS, end - i);
    let word = 0;
    for (let j = 0; j < last; j++) word |= (bits[i + j]! >>> 31) << j;
    signs[i / WORD_BITS] = word;
  }
}

/** 1 or -1. */
const signAt = (signs: Uint32Array, i: number): number => 1 - 2 * ((signs[i >>> 5]! >>> (i & 31)) & 1);

function unpack(signs: Uint32Array, mean: number, out: Float32Array, begin: number, end: number): void {
  for (let i = begin; i < end; i++) out[i] = signAt(signs, i) * mean;
}

function add(signs: Uint32Array, mean: number, sums: Float64Array, begin: number, end: number): void {
  for (let i = begin; i < end; i++) sums[i]! += signAt(signs, i) * mean;
}

function take(signs: Uint32Array, mean: number, values: Float32Array, begin: number, end: number): void {
  for (let i = begin; i < end; i++) values[i]! -= signAt(signs, i) * mean;
}
