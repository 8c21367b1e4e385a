// A codec of 16-bit words with the words' bytes apart: the high ones (sign, exponent) are nearly the same in all values
// of a gradient and are what zstd can make smaller, the low ones are noise.

import { inBlocks, wordsOf } from "./blocks.ts";
import type { UnbiasedCodec } from "./codec.ts";

const BLOCK = 512;

/** `plain` writes nothing but `rest`, whose length is a multiple of 8 bytes. */
export function inPlanes(plain: UnbiasedCodec, id: number): UnbiasedCodec {
  const planeBytes = (length: number): number => plain.restBytes(length) / 2;
  const joined = (rest: Uint8Array, high: Uint8Array, length: number) => {
    const words = scratchWords(plain.restBytes(length));
    join(wordsOf(rest, words.length / 2), wordsOf(high, words.length / 2), words);
    return { rest: bytesOf(words), compressible: nothing };
  };
  return {
    ...plain,
    id,
    restBytes: planeBytes,
    maxCompressibleBytes: planeBytes,
    accepts: (compressibleBytes, length) => compressibleBytes === planeBytes(length),
    encode(values, room, seed) {
      const words = scratchWords(plain.restBytes(values.length));
      plain.encode(values, { rest: bytesOf(words), compressible: nothing }, seed);
      split(words, wordsOf(room.rest, words.length / 2), wordsOf(room.compressible, words.length / 2));
      return room;
    },
    decode: ({ rest, compressible }, out) => plain.decode(joined(rest, compressible, out.length), out),
    accumulate: ({ rest, compressible }, sums, mode) =>
      plain.accumulate(joined(rest, compressible, sums.length), sums, mode),
  };
}

const nothing = new Uint8Array(0);
let scratch = new Int32Array(0);

/** Memory between the two steps of one call. */
function scratchWords(sizeBytes: number): Int32Array {
  const words = sizeBytes / Int32Array.BYTES_PER_ELEMENT;
  if (scratch.length < words) scratch = new Int32Array(words);
  return scratch.subarray(0, words);
}

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Two words, four halves, are a word of each plane. */
function split(words: Int32Array, low: Int32Array, high: Int32Array): void {
  inBlocks(low.length, BLOCK, (begin, end) => splitBlock(words, low, high, begin, end));
}

function splitBlock(words: Int32Array, low: Int32Array, high: Int32Array, begin: number, end: number) {
  for (let i = begin; i < end; i++) {
    const a = words[2 * i]!;
    const b = words[2 * i + 1]!;
    low[i] = (a & 0xff) | ((a >>> 8) & 0xff00) | ((b & 0xff) << 16) | ((b & 0xff0000) << 8);
    high[i] = ((a >>> 8) & 0xff) | ((a >>> 16) & 0xff00) | ((b & 0xff00) << 8) | (b & 0xff000000);
  }
}

function join(low: Int32Array, high: Int32Array, words: Int32Array): void {
  inBlocks(low.length, BLOCK, (begin, end) => joinBlock(low, high, words, begin, end));
}

function joinBlock(low: Int32Array, high: Int32Array, words: Int32Array, begin: number, end: number) {
  for (let i = begin; i < end; i++) {
    const l = low[i]!;
    const h = high[i]!;
    words[2 * i] = (l & 0xff) | ((h & 0xff) << 8) | ((l & 0xff00) << 8) | ((h & 0xff00) << 16);
    words[2 * i + 1] = ((l >>> 16) & 0xff) | ((h >>> 8) & 0xff00) | ((l >>> 8) & 0xff0000) | (h & 0xff000000);
  }
}
