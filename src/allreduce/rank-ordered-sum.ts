// Adds the parts of a merge in the order of their writers whatever the order of their arrival, so that every run of a
// step gives the same bits. What comes before its turn is kept.

import { readerOf } from "../shard/codec/blocks.ts";
import type { Codec, Encoded } from "../shard/codec/codec.ts";
import { addInOrder, type Addend } from "../shard/simd/sums.ts";

export const NO_SCALARS = new Float64Array(0);
export const NO_PEAKS = new Uint32Array(0);
export const NO_ABSENT = new Uint32Array(0);

/** What travels beside values. */
export interface Contribution {
  readonly contributors: number;
  readonly weight: number;
  readonly scalars: Float64Array;
  /** See `FrameContent`. */
  readonly peaks: Uint32Array;
  readonly absent: Uint32Array;
}

/** Values as a codec wrote them. */
export interface Coded {
  readonly codec: Codec;
  readonly encoded: Encoded;
}

/** A writer's part: the merging rank's own values as they are, a peer's as they came. */
export interface Part extends Contribution {
  readonly values: Float32Array | Float64Array | Coded;
}

/** So many parts are added at once, for then each sum is in memory once; but what has come early is not left for the end. */
const TOGETHER = 8;

export class RankOrderedSum {
  readonly #waiting: (Part | undefined)[];
  readonly #sums: Float64Array;
  /** What is to be added next; `#sums` is the first of it once it holds anything. */
  #addends: Addend[] = [];
  #next = 0;
  #contributors = 0;
  #weight = 0;
  #scalars = NO_SCALARS;
  #peaks: Uint32Array = NO_PEAKS;

  constructor(writers: number, sums: Float64Array) {
    this.#waiting = new Array<undefined>(writers).fill(undefined);
    this.#sums = sums;
  }

  /** The part of the merge's writer `index`. What it holds must not change before the sum is written. */
  take(index: number, part: Part): void {
    this.#waiting[index] = part;
    for (let next = this.#waiting[this.#next]; next !== undefined; next = this.#waiting[++this.#next])
      this.#add(next);
  }

  /** Adds what has come and still waits for its turn; returns the writers whose parts have not come. */
  settle(): number[] {
    const absent: number[] = [];
    for (; this.#next < this.#waiting.length; this.#next++) {
      const next = this.#waiting[this.#next];
      if (next === undefined) absent.push(this.#next);
      else this.#add(next);
    }
    return absent;
  }

  #add(part: Part): void {
    if (this.#addends.length === TOGETHER) this.#addUp();
    this.#addends.push(addendOf(part.values, this.#sums.length));
    this.#contributors += part.contributors;
    this.#weight += part.weight;
    this.#addScalars(part.scalars);
    this.#peaks = highest(this.#peaks, part.peaks);
  }

  #addUp(quotients?: Float32Array): void {
    const { length } = this.#sums;
    addInOrder({ length, addends: this.#addends }, { sums: this.#sums, ...(quotients && { quotients }) });
    this.#addends = [this.#sums];
  }

  /** Ranks that sent fewer scalars sent zeros. */
  #addScalars(scalars: Float64Array): void {
    if (scalars.length > this.#scalars.length) {
      const longer = new Float64Array(scalars.length);
      longer.set(this.#scalars);
      this.#scalars = longer;
    }
    scalars.forEach((scalar, i) => (this.#scalars[i]! += scalar));
  }

  /** Complete when all parts are there, or it was settled. */
  get total(): Omit<Contribution, "absent"> {
    return {
      contributors: this.#contributors,
      weight: this.#weight,
      scalars: this.#scalars,
      peaks: this.#peaks,
    };
  }

  /** The sums, rounded once; the accumulators keep them as they are. */
  writeSums(out: Float32Array): void {
    this.#addUp(out);
  }

  /** Sum / weight; zeros if nothing has any weight: every rank finds that out from the weight. */
  writeMean(out: Float32Array): void {
    const divisor = this.#weight === 0 ? Infinity : this.#weight;
    addInOrder({ length: out.length, addends: this.#addends }, { quotients: out, divisor });
  }
}

function addendOf(values: Part["values"], length: number): Addend {
  if (values instanceof Float64Array) return values;
  return "encoded" in values ? values.codec.reader(values.encoded, length) : readerOf(values);
}

/** Place by place. */
export function highest(a: Uint32Array, b: Uint32Array): Uint32Array {
  return Uint32Array.from(a.length >= b.length ? a : b, (_, i) => Math.max(a[i] ?? 0, b[i] ?? 0));
}
