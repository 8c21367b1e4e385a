// Adds the ranks' contributions to one chunk in rank order whatever the order of their arrival, so that every run of a
// step gives the same bits. What comes before its turn is kept.

import type { Codec } from "../shard/codec/codec.ts";
import type { Contribution, Received } from "./frame-channel.ts";

export const NO_SCALARS = new Float64Array(0);
/** A short loop that is called often is optimised sooner than a long one. */
const BLOCK = 1024;

export class RankOrderedSum {
  readonly #waiting: (Received | undefined)[];
  readonly #sums: Float64Array;
  readonly #codec: Codec;
  #next = 0;
  #contributors = 0;
  #weight = 0;
  #scalars = NO_SCALARS;

  constructor(worldSize: number, sums: Float64Array, codec: Codec) {
    this.#waiting = new Array<undefined>(worldSize).fill(undefined);
    this.#sums = sums;
    this.#codec = codec;
  }

  take(rank: number, frame: Received): void {
    this.#waiting[rank] = frame;
    for (let next = this.#waiting[this.#next]; next !== undefined; next = this.#waiting[++this.#next]) {
      this.#codec.accumulate(next.encoded, this.#sums, this.#next === 0 ? "set" : "add");
      this.#contributors += next.contributors;
      this.#weight += next.weight;
      this.#addScalars(next.scalars);
    }
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

  get total(): Contribution {
    return { contributors: this.#contributors, weight: this.#weight, scalars: this.#scalars };
  }

  /** Sum / weight; zeros if nothing has any weight: every rank finds that out from the weight. */
  writeMean(out: Float32Array): void {
    const weight = this.#weight === 0 ? Infinity : this.#weight;
    for (let begin = 0; begin < out.length; begin += BLOCK) {
      divideBlock(this.#sums, weight, out, begin, Math.min(begin + BLOCK, out.length));
    }
  }
}

function divideBlock(
  sums: Float64Array,
  divisor: number,
  out: Float32Array,
  begin: number,
  end: number,
): void {
  for (let i = begin; i < end; i++) out[i] = sums[i]! / divisor;
}
