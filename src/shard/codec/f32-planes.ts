// f32 values in two planes. The high byte of an f32 (sign and 7 bits of exponent) is nearly the same in all values of a
// gradient, the three below are noise: so `compressible` is the high byte of each value, `rest` the three others
// (little-endian, as WebAssembly's memory and every platform of Node's is), both in the order of the values.
//
// Four values are four words: three of `rest` and one of high bytes. That is twice as fast as byte by byte.

import { bitsOf, inBlocks, wordsOf } from "./blocks.ts";
import type { Encoded, UnbiasedCodec } from "./codec.ts";

const REST_BYTES = 3;
const QUAD = 4;
const BLOCK_QUADS = 256;

export const f32Planes: UnbiasedCodec = {
  name: "f32",
  id: 2, // 1 had all four bytes together
  parameter: 0,
  exact: true,
  biased: false,
  restBytes: (length) => length * REST_BYTES,
  maxCompressibleBytes: (length) => length,
  accepts: (compressibleBytes, length) => compressibleBytes === length,
  encode(values, room) {
    const bits = bitsOf(values);
    const tail = inQuads(room, values.length, (rest, high, begin, end) =>
      split(bits, rest, high, begin, end),
    );
    for (let i = tail; i < values.length; i++) {
      for (let byte = 0; byte < REST_BYTES; byte++)
        room.rest[i * REST_BYTES + byte] = bits[i]! >>> (8 * byte);
      room.compressible[i] = bits[i]! >>> 24;
    }
    return room;
  },
  decode(encoded, out) {
    const bits = bitsOf(out);
    const tail = inQuads(encoded, out.length, (rest, high, begin, end) => join(rest, high, bits, begin, end));
    for (let i = tail; i < out.length; i++) bits[i] = bitsAt(encoded, i);
  },
  accumulate(encoded, sums, mode) {
    if (mode === "set") sums.fill(-0); // the one number that changes no other, itself included
    const tail = inQuads(encoded, sums.length, (rest, high, begin, end) => add(rest, high, sums, begin, end));
    for (let i = tail; i < sums.length; i++) {
      quadBits[0] = bitsAt(encoded, i);
      sums[i]! += quad[0]!;
    }
  },
};

type QuadLoop = (rest: Int32Array, high: Int32Array, beginQuad: number, endQuad: number) => void;

/** Calls `loop` for all whole quads; the index of the first value after them. */
function inQuads({ rest, compressible }: Encoded, length: number, loop: QuadLoop): number {
  const quads = Math.floor(length / QUAD);
  const [restWords, highWords] = [wordsOf(rest, quads * REST_BYTES), wordsOf(compressible, quads)];
  inBlocks(quads, BLOCK_QUADS, (begin, end) => loop(restWords, highWords, begin, end));
  return quads * QUAD;
}

// In the three loops a to d are four values, u to w the words of their low bytes: aaab bbcc cddd.

function split(bits: Int32Array, rest: Int32Array, high: Int32Array, begin: number, end: number): void {
  for (let q = begin; q < end; q++) {
    const i = q * QUAD;
    const r = q * REST_BYTES;
    const a = bits[i]!;
    const b = bits[i + 1]!;
    const c = bits[i + 2]!;
    const d = bits[i + 3]!;
    rest[r] = (a & 0xffffff) | (b << 24);
    rest[r + 1] = ((b >>> 8) & 0xffff) | (c << 16);
    rest[r + 2] = ((c >>> 16) & 0xff) | (d << 8);
    high[q] = (a >>> 24) | ((b >>> 16) & 0xff00) | ((c >>> 8) & 0xff0000) | (d & 0xff000000);
  }
}

function join(rest: Int32Array, high: Int32Array, bits: Int32Array, begin: number, end: number): void {
  for (let q = begin; q < end; q++) {
    const i = q * QUAD;
    const r = q * REST_BYTES;
    const u = rest[r]!;
    const v = rest[r + 1]!;
    const w = rest[r + 2]!;
    const h = high[q]!;
    bits[i] = (u & 0xffffff) | (h << 24);
    bits[i + 1] = (u >>> 24) | ((v & 0xffff) << 8) | ((h & 0xff00) << 16);
    bits[i + 2] = (v >>> 16) | ((w & 0xff) << 16) | ((h & 0xff0000) << 8);
    bits[i + 3] = (w >>> 8) | (h & 0xff000000);
  }
}

const quad = new Float32Array(QUAD);
const quadBits = new Int32Array(quad.buffer);

function add(rest: Int32Array, high: Int32Array, sums: Float64Array, begin: number, end: number): void {
  for (let q = begin; q < end; q++) {
    const i = q * QUAD;
    const r = q * REST_BYTES;
    const u = rest[r]!;
    const v = rest[r + 1]!;
    const w = rest[r + 2]!;
    const h = high[q]!;
    quadBits[0] = (u & 0xffffff) | (h << 24);
    quadBits[1] = (u >>> 24) | ((v & 0xffff) << 8) | ((h & 0xff00) << 16);
    quadBits[2] = (v >>> 16) | ((w & 0xff) << 16) | ((h & 0xff0000) << 8);
    quadBits[3] = (w >>> 8) | (h & 0xff000000);
    sums[i]! += quad[0]!;
    sums[i + 1]! += quad[1]!;
    sums[i + 2]! += quad[2]!;
    sums[i + 3]! += quad[3]!;
  }
}

function bitsAt({ rest, compressible }: Encoded, i: number): number {
  const r = i * REST_BYTES;
  return rest[r]! | (rest[r + 1]! << 8) | (rest[r + 2]! << 16) | (compressible[i]! << 24);
}
