// Integers of 8 bits with a scale for each block of 512 values: x is about q * scale, q a byte, and rounded up
// with the probability of what is above the integer below, so that the mean of many encodings is x (QSGD: Alistarh et
// al., NeurIPS 2017, section 3). A block that holds an infinity or a NaN decodes to NaNs.
//
// Philox would take most of a round, and rounding needs no such quality: each block has a xorshift generator of its own.

import { bitsOf, floatsOf, inBlocks, largestMagnitude } from "./blocks.ts";
import type { UnbiasedCodec } from "./codec.ts";

const BLOCK = 512;
const SCALE_BYTES = 4;
/** No scale is less, so that none is 0 or has lost digits: the smallest normal float. */
const MINIMUM_SCALE = 2 ** -126;
const LARGEST = 127;

const blockCount = (length: number): number => Math.ceil(length / BLOCK);
const integersOf = ({ buffer, byteOffset }: Uint8Array, length: number) =>
  new Int8Array(buffer, byteOffset, length);

export const int8: UnbiasedCodec = {
  name: "int8",
  id: 8,
  parameter: 0,
  exact: false,
  biased: false,
  restBytes: (length) => blockCount(length) * SCALE_BYTES,
  maxCompressibleBytes: (length) => length,
  accepts: (compressibleBytes, length) => compressibleBytes === length,
  encode(values, room, seed) {
    const scales = floatsOf(room.rest, blockCount(values.length));
    const integers = integersOf(room.compressible, values.length);
    const bits = bitsOf(values);
    inBlocks(values.length, BLOCK, (begin, end, block) => {
      scales[block] = scaleOf(bits, begin, end);
      round(values, integers, scales[block], mixed(seed, block), begin, end);
    });
    return room;
  },
  decode({ rest, compressible }, out) {
    const scales = floatsOf(rest, blockCount(out.length));
    const integers = integersOf(compressible, out.length);
    inBlocks(out.length, BLOCK, (begin, end, block) => unpack(integers, out, scales[block]!, begin, end));
  },
  accumulate({ rest, compressible }, sums, mode) {
    const scales = floatsOf(rest, blockCount(sums.length));
    const integers = integersOf(compressible, sums.length);
    if (mode === "set") sums.fill(0);
    inBlocks(sums.length, BLOCK, (begin, end, block) => add(integers, sums, scales[block]!, begin, end));
  },
};

const largest = new Float32Array(1);
const largestBits = bitsOf(largest);

function scaleOf(bits: Int32Array, begin: number, end: number): number {
  largestBits[0] = largestMagnitude(bits, begin, end);
  return Number.isFinite(largest[0]!) ? Math.max(largest[0]! / LARGEST, MINIMUM_SCALE) : NaN;
}

/** The start of a block's random numbers: never 0 (the finaliser of MurmurHash3, which is a bijection). */
function mixed(seed: number, block: number): number {
  let h = seed + Math.imul(block + 1, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16) || 1;
}

/** In units of 2^-16 of the scale: 16 random bits are added, and 16 bits dropped. */
function round(
  values: Float32Array,
  integers: Int8Array,
  scale: number,
  state: number,
  begin: number,
  end: number,
): void {
  const units = 0x10000 / scale;
  let i = begin;
  for (; i + 1 < end; i += 2) {
    state = xorshift(state);
    integers[i] = (Math.floor(values[i]! * units) + (state & 0xffff)) >> 16;
    integers[i + 1] = (Math.floor(values[i + 1]! * units) + (state >>> 16)) >> 16;
  }
  if (i < end) integers[i] = (Math.floor(values[i]! * units) + (xorshift(state) & 0xffff)) >> 16;
}

/** Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (14), 2003. */
function xorshift(state: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  return state ^ (state << 5);
}

function unpack(integers: Int8Array, out: Float32Array, scale: number, begin: number, end: number): void {
  for (let i = begin; i < end; i++) out[i] = integers[i]! * scale;
}

function add(integers: Int8Array, sums: Float64Array, scale: number, begin: number, end: number): void {
  for (let i = begin; i < end; i++) sums[i]! += Math.fround(integers[i]! * scale);
}
