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
import type { BiasedCodec, Codec, Encoded, WordForm } from "./codec.ts";
import { GapReader, longGapBytes, writeGap } from "./gaps.ts";
import { selectLargest } from "./largest.ts";

export const TOP_K_ID = 10;
/** A share is a whole number of millionths: exact in frames. */
export const MILLION = 1_000_000;
/** From here on bf16 takes fewer bytes: two for each value, and not three for each that is kept. */
const DENSE_PPM = (2 / 3) * MILLION;
/** Words are fewer than the values. */
const MOST_PPM_IN_WORDS = MILLION / 2;
/** Their indices differ in 16 bits. */
const STRETCH_VALUES = 2 ** 16;

/** How many of `length` values `topK` keeps. */
export function keptOf(sharePpm: number, length: number): number {
  return Math.ceil((length * sharePpm) / MILLION);
}

/** Keeps ceil(length * sharePpm / 1e6) of `length` values; `sharePpm` in 1..1e6. */
export function topK(sharePpm: number): BiasedCodec {
  assert(Number.isInteger(sharePpm) && sharePpm >= 1 && sharePpm <= MILLION, `a share of ${sharePpm} ppm`);
  const kept = (length: number): number => keptOf(sharePpm, length);
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
    ...(sharePpm <= MOST_PPM_IN_WORDS && { words: wordForm(kept) }),
    encode(values, room) {
      const bits = bitsOf(values);
      const indices = selectLargest(bits, kept(values.length));
      const writer = new KeptWriter(room, indices.length);
      for (const i of indices) writer.add(i, roundToBf16(bits[i]!) >>> 16);
      return writer.encoded;
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

/** Writes the kept values in the order of their indices. */
class KeptWriter {
  readonly #room: Encoded;
  #kept = 0;
  /** Where the next gap goes. */
  #gapAt: number;
  #nextIndex = 0;

  constructor(room: Encoded, k: number) {
    this.#room = room;
    this.#gapAt = k;
  }

  /** `half` is the bf16. */
  add(index: number, half: number): void {
    const { rest, compressible } = this.#room;
    rest[this.#kept] = half;
    compressible[this.#kept] = half >>> 8;
    this.#gapAt = writeGap(compressible, this.#gapAt, index - this.#nextIndex);
    this.#kept++;
    this.#nextIndex = index + 1;
  }

  /** When all are written. */
  get encoded(): Encoded {
    const { rest, compressible } = this.#room;
    return { rest, compressible: compressible.subarray(0, this.#gapAt) };
  }
}

/**
 * For each stretch of 2^16 values the number of those kept, then these: the index's low half in the low half of a word, the
 * bf16 in the high one.
 */
function wordForm(kept: (length: number) => number): WordForm {
  const stretches = (length: number): number => Math.ceil(length / STRETCH_VALUES);
  return {
    count: (length) => stretches(length) + kept(length),
    toEncoded(words, length, room) {
      const writer = new KeptWriter(room, kept(length));
      let at = stretches(length);
      for (let stretch = 0; stretch < stretches(length); stretch++)
        for (const end = at + words[stretch]!; at < end; at++)
          writer.add(stretch * STRETCH_VALUES + (words[at]! & 0xffff), words[at]! >>> 16);
      assert(at === stretches(length) + kept(length), "a chunk in words has as many values as it keeps");
      return writer.encoded;
    },
  };
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
