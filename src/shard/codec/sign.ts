// One bit for each value and, for each block of 1,024, the mean of their magnitudes: x becomes plus or minus the mean.
// Converges with error feedback only (1-bit SGD: Seide et al., Interspeech 2014; EF-SignSGD: Karimireddy et al., ICML
// 2019, algorithm 1, with scaled signs). A block that holds an infinity or a NaN decodes to such.
//
// `rest` has the means (f32), `compressible` the signs, the first value's in the lowest bit; zeros fill the last word.

import { bitsOf, floatsOf, inBlocks, wordsOf } from "./blocks.ts";
import { blockValues } from "../simd/window.ts";
import type { BiasedCodec, Encoded } from "./codec.ts";

const BLOCK = 1024;
const WORD_BITS = 32;
const FLOAT_BYTES = 4;

const blockCount = (length: number): number => Math.ceil(length / BLOCK);
const wordCount = (length: number): number => Math.ceil(length / WORD_BITS);

interface Parts {
  /** [blocks] */
  readonly means: Float32Array;
  readonly signs: Int32Array;
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
    inBlocks(out.length, BLOCK, (begin, end, block) =>
      unpack(signs, means[block]!, begin, end, out.subarray(begin, end)),
    );
  },
  reader(encoded, length) {
    const { means, signs } = partsOf(encoded, length);
    return (begin, end) =>
      inBlocks(end - begin, BLOCK, (from, to) =>
        unpack(
          signs,
          means[(begin + from) / BLOCK]!,
          begin + from,
          begin + to,
          blockValues.subarray(from, to),
        ),
      );
  },
  subtract(encoded, values) {
    const { means, signs } = partsOf(encoded, values.length);
    inBlocks(values.length, BLOCK, (begin, end, block) => take(signs, means[block]!, values, begin, end));
  },
};

/** In four sums: the chain of additions is shorter. */
function meanMagnitude(values: Float32Array, begin: number, end: number): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let i = begin;
  for (; i + 3 < end; i += 4) {
    a += Math.abs(values[i]!);
    b += Math.abs(values[i + 1]!);
    c += Math.abs(values[i + 2]!);
    d += Math.abs(values[i + 3]!);
  }
  for (; i < end; i++) a += Math.abs(values[i]!);
  return (a + b + (c + d)) / (end - begin);
}

function pack(bits: Int32Array, signs: Int32Array, begin: number, end: number): void {
  for (let i = begin; i < end; i += WORD_BITS) {
    const last = Math.min(WORD_BITS, end - i);
    let word = 0;
    for (let j = 0; j < last; j++) word |= (bits[i + j]! >>> 31) << j;
    signs[i >>> 5] = word;
  }
}

/** 1 or -1. */
const signAt = (word: number, i: number): number => 1 - ((word >>> i) & 1) * 2;

/** The values [begin, end) to `out`. */
function unpack(signs: Int32Array, mean: number, begin: number, end: number, out: Float32Array): void {
  for (let i = begin; i < end; i++) out[i - begin] = signAt(signs[i >>> 5]!, i & 31) * mean;
}

function take(signs: Int32Array, mean: number, values: Float32Array, begin: number, end: number): void {
  for (let i = begin; i < end; i++) values[i]! -= signAt(signs[i >>> 5]!, i & 31) * mean;
}
