// Adds the ranks' contributions to one chunk in rank order whatever the order of their arrival, so that every run of a
// step gives the same bits. What comes before its turn is kept.

import type { Codec, Encoded } from "../shard/codec/codec.ts";
import type { Contribution } from "./frame-channel.ts";

export const NO_SCALARS = new Float64Array(0);
/** A rank's part of a chunk: the owner's own values as they are, a peer's as its codec wrote them. */
export interface Part extends Contribution {
  readonly sums: Float32Array | Encoded;
}

/** A short loop that is called often is optimised sooner than a long one. */
const BLOCK = 1024;

export class RankOrderedSum {
  readonly #waiting: (Part | undefined)[];
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

  /** What it holds must not change before all parts are there. */
  take(rank: number, part: Part): void {
    this.#waiting[rank] = part;
    for (let next = this.#waiting[this.#next]; next !== undefined; next = this.#waiting[++this.#next]) {
      this.#accumulate(next.sums, this.#next === 0 ? "set" : "add");
      this.#contributors += next.contributors;
      this.#weight += next.weight;
      this.#addScalars(next.scalars);
    }
  }

  #accumulate(part: Float32Array | Encoded, mode: "set" | "add"): void {
    const sums = this.#sums;
    if (!(part instanceof Float32Array)) this.#codec.accumulate(part, sums, mode);
    else if (mode === "set") sums.set(part);
    else inBlocks(sums.length, (begin, end) => addBlock(part, sums, begin, end));
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
    inBlocks(out.length, (begin, end) => divideBlock(this.#sums, weight, out, begin, end));
  }
}

function inBlocks(length: number, loop: (begin: number, end: number) => void): void {
  for (let begin = 0; begin < length; begin += BLOCK) loop(begin, Math.min(begin + BLOCK, length));
}

function addBlock(values: Float32Array, sums: Float64Array, begin: number, end: number): void {
  for (let i = begin; i < end; i++) sums[i]! += values[i]!;
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
