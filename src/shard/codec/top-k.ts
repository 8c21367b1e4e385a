// A share of the values, those of the largest magnitude, as bf16; the others are zeros. Converges with error feedback
// only (Aji and Heafield, "Sparse Communication for Distributed Gradient Descent", EMNLP 2017; Stich et al., "Sparsified
// SGD with Memory", NeurIPS 2018, algorithm 1).
//
// `rest` has the low bytes of the values, `compressible` the high ones, then for each value the number of zeros before it
// since the last one (gaps.ts).
//
// Ranks choose different values: a sum of n ranks' keeps n times the share, or all, where that takes fewer bytes.

import { assert } from "../../errors.ts";
import { bf16, roundToBf16 } from "./bf16.ts";
import { bitsOf } from "./blocks.ts";
import { blockValues } from "../simd/window.ts";
import type { BiasedCodec, Codec, Encoded } from "./codec.ts";
import { GapReader, longGapBytes, writeGap } from "./gaps.ts";
import { selectLargest } from "./largest.ts";

export const TOP_K_ID = 10;
/** A share is a whole number of millionths: exact in frames. */
export const MILLION = 1_000_000;
/** From here on bf16 takes fewer bytes: two for each value, and not three for each that is kept. */
const DENSE_PPM = (2 / 3) * MILLION;

/** Keeps ceil(length * sharePpm / 1e6) of `length` values; `sharePpm` in 1..1e6. */
export function topK(sharePpm: number): BiasedCodec {
  assert(Number.isInteger(sharePpm) && sharePpm >= 1 && sharePpm <= MILLION, `a share of ${sharePpm} ppm`);
  const kept = (length: number): number => Math.ceil((length * sharePpm) / MILLION);
  return {
    name: `top-k:${sharePpm / 10_000}%`,
    id: TOP_K_ID,
    parameter: sharePpm,
    exact: false,
    biased: true,
    restBytes: kept,
    ofSum(contributors): Codec {
      const sumPpm = contributors * sharePpm;
      return contributors > 1 && sumPpm >= DENSE_PPM ? bf16 : topK(Math.min(MILLION, sumPpm));
    },
    maxCompressibleBytes: (length) => 2 * kept(length) + longGapBytes(length),
    accepts: (compressibleBytes, length) =>
      compressibleBytes >= 2 * kept(length) && compressibleBytes <= 2 * kept(length) + longGapBytes(length),
    encode(values, room) {
      const bits = bitsOf(values);
      const writtenBytes = write(bits, selectLargest(bits, kept(values.length)), room);
      return { rest: room.rest, compressible: room.compressible.subarray(0, writtenBytes) };
    },
    decode(encoded, out) {
      out.fill(0);
      keptValues(encoded, kept(out.length))(out.length, (i, value) => (out[i] = value));
    },
    reader(encoded, length) {
      const visitUntil = keptValues(encoded, kept(length));
      return (begin, end) => {
        blockValues.fill(0, 0, end - begin);
        visitUntil(end, (i, value) => (blockValues[i - begin] = value));
      };
    },
    subtract(encoded, values) {
      keptValues(encoded, kept(values.length))(values.length, (i, value) => (values[i]! -= value));
    },
  };
}

/** Bytes of `compressible`. */
function write(bits: Int32Array, indices: Int32Array, { rest, compressible }: Encoded): number {
  let at = indices.length;
  let next = 0;
  for (const [j, i] of indices.entries()) {
    const rounded = roundToBf16(bits[i]!);
    rest[j] = rounded >>> 16;
    compressible[j] = rounded >>> 24;
    at = writeGap(compressible, at, i - next);
    next = i + 1;
  }
  return at;
}

const one = new Float32Array(1);
const oneBits = bitsOf(one);

/** What visits the next of the k values: all before index `end`. */
function keptValues({ rest, compressible }: Encoded, k: number) {
  const gaps = new GapReader(compressible, k);
  let j = 0;
  let i = gaps.next();
  return (end: number, visit: (i: number, value: number) => void): void => {
    for (; j < k && i < end; i += 1 + (j < k ? gaps.next() : 0)) {
      oneBits[0] = (rest[j]! << 16) | (compressible[j]! << 24);
      j++;
      visit(i, one[0]!);
    }
  };
}
