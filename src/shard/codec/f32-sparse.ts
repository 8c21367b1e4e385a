// The values that are not 0, and where they are: the gradient of a model over sparse rows has few of them. Nothing is
// lost: what is left out is +0 to the bit, a -0 is not.
//
// `rest` has the values, `compressible` the gaps between them (gaps.ts). The parameter is their number, so that a frame
// says how it is to be read; whoever encodes f32 takes the form that is smaller, piece by piece (`smallerForm`). Each value
// costs about 10 ns on its way through it, as many as 2 bytes at 200 MB/s: over memory or a local disk it pays for few
// values only.

import { assert } from "../../errors.ts";
import { bitsOf, wordsOf } from "./blocks.ts";
import { blockValues } from "../simd/window.ts";
import type { Codec, Encoded, UnbiasedCodec } from "./codec.ts";
import { gapBytes, GapReader, longGapBytes, writeGap } from "./gaps.ts";

export const F32_SPARSE_ID = 12;
const VALUE_BYTES = 4;
/** A value and a gap of one byte. */
const PAIR_BYTES = VALUE_BYTES + 1;
/** Where time is dearer than bytes: of the dense form's bytes, at most. */
const QUICK_SHARE = 0.25;
/** Values that are looked at first, to leave a dense vector alone. */
const PROBES = 256;

const blockBits = bitsOf(blockValues);

/** Of chunks with exactly `nonZeros` values that are not +0. */
export function f32Sparse(nonZeros: number): UnbiasedCodec {
  return {
    name: `f32 of ${nonZeros} non-zeros`,
    id: F32_SPARSE_ID,
    parameter: nonZeros,
    exact: true,
    biased: false,
    restBytes: () => nonZeros * VALUE_BYTES,
    maxCompressibleBytes: (length) => gapBytes(nonZeros, length),
    accepts: (compressibleBytes, length) =>
      compressibleBytes >= nonZeros && compressibleBytes <= gapBytes(nonZeros, length),
    encode: (values, room) => encode(bitsOf(values), nonZeros, room),
    decode(encoded, out) {
      const bits = bitsOf(out).fill(0);
      visitor(encoded, nonZeros)(out.length, (i, value) => (bits[i] = value));
    },
    reader(encoded) {
      const visitUntil = visitor(encoded, nonZeros);
      return (begin, end) => {
        blockValues.fill(0, 0, end - begin);
        visitUntil(end, (i, value) => (blockBits[i - begin] = value));
      };
    },
  };
}

/** The most non-zeros with which the sparse form of `length` values is smaller than 4 bytes each. */
export function mostNonZeros(length: number): number {
  return Math.max(0, Math.ceil((length * VALUE_BYTES - longGapBytes(length)) / PAIR_BYTES) - 1);
}

/**
 * `codec`, or where it keeps f32 as they are and these are mostly zeros, their sparse form: if it is smaller at all where
 * `compresses`, since bytes are what this channel takes its time for; else if it is much smaller.
 */
export function smallerForm(codec: Codec, values: Float32Array, compresses: boolean): Codec {
  if (codec.keepsF32 !== true) return codec;
  const bits = bitsOf(values);
  const smaller = mostNonZeros(values.length);
  const most = compresses ? smaller : Math.floor(QUICK_SHARE * smaller);
  const stride = Math.max(1, Math.floor(bits.length / PROBES));
  let [probed, found] = [0, 0];
  for (let i = 0; i < bits.length; i += stride, probed++) if (bits[i] !== 0) found++;
  if (found === probed) return codec;
  const nonZeros = countNonZeros(bits, most);
  return nonZeros > most ? codec : f32Sparse(nonZeros);
}

/** Stops above `most`. */
function countNonZeros(bits: Int32Array, most: number): number {
  let count = 0;
  for (let i = 0; i < bits.length && count <= most; i++) if (bits[i] !== 0) count++;
  return count;
}

/** `room` may be longer than these values need. */
function encode(bits: Int32Array, nonZeros: number, room: Encoded): Encoded {
  const rest = room.rest.subarray(0, nonZeros * VALUE_BYTES);
  const kept = bitsOf(new Float32Array(rest.buffer, rest.byteOffset, nonZeros));
  let [j, at, next] = [0, 0, 0];
  for (let i = 0; i < bits.length; i++) {
    if (bits[i] === 0) continue;
    kept[j++] = bits[i]!;
    at = writeGap(room.compressible, at, i - next);
    next = i + 1;
  }
  assert(j === nonZeros, `${j} non-zeros in the sparse form of ${nonZeros}`);
  return { rest, compressible: room.compressible.subarray(0, at) };
}

/** What visits the next of the values, as bits (a NaN would not keep them): all before index `end`. */
function visitor({ rest, compressible }: Encoded, nonZeros: number) {
  const values = wordsOf(rest, nonZeros);
  const gaps = new GapReader(compressible);
  let j = 0;
  let i = nonZeros > 0 ? gaps.next() : 0;
  return (end: number, visit: (i: number, value: number) => void): void => {
    while (j < nonZeros && i < end) {
      visit(i, values[j++]!);
      if (j < nonZeros) i += 1 + gaps.next();
    }
  };
}
