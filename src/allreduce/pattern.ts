// A pattern of reduction as data: who merges which part of a bucket from whom, level by level, and from whom each rank
// reads the means. One engine executes it (round.ts), one function counts what it costs (traffic.ts), and nothing in
// it depends on who is alive or when: every rank computes the same.
//
// Level 0 are the ranks' own sums. A rank that merges at level l reads one piece of each of its writers' objects of
// level l - 1, adds them in the writers' order, and publishes the result: at the top level the mean, below it pieces
// for those who merge it further. What a rank would send to itself it keeps.

import type { ElementRange } from "../shard/layout.ts";
import type { RequestPrices } from "../storage/prices.ts";

/** A part of what a rank publishes at a level, for the one rank that merges it further. */
export interface Piece extends ElementRange {
  readonly reader: number;
}

/** A rank that a merge reads from. */
export interface Writer {
  readonly rank: number;
  /** Which of the pieces that it publishes at the level below; -1 for the merging rank's own, which it keeps. */
  readonly piece: number;
}

export interface Merge extends ElementRange {
  /** In the order of summation, which is that of the ranks. */
  readonly writers: readonly Writer[];
}

/** A part of the mean: who computes it. Together they cover the bucket, in ascending order, each aligned to 64 elements. */
export interface MeanPiece extends ElementRange {
  readonly owner: number;
}

/** Where a rank reads a piece of the mean. */
export interface MeanSource {
  readonly rank: number;
  /** In that rank's relay object, which has all that it passes on; else in the object of the owner's mean. */
  readonly relayed: boolean;
}

/** The plan of one bucket for one number of ranks. What it tells of one rank takes at most O(worldSize) work. */
export interface ReducePlan {
  readonly worldSize: number;
  /** Merging levels, at least 1; that of the means is the last. */
  readonly levels: number;
  readonly means: readonly MeanPiece[];
  /** What `rank` publishes for others at `level` (0 <= level < levels); empty for nothing. */
  published(level: number, rank: number): readonly Piece[];
  /** Elements of the longest piece that anybody publishes at `level`. */
  longest(level: number): number;
  /** What `rank` merges at `level` (1 <= level <= levels), at most one range a bucket. */
  merge(level: number, rank: number): Merge | undefined;
  /** Indices into `means`, ascending, of what `rank` passes on in one object, its own included; empty for most. */
  relayed(rank: number): readonly number[];
  /** Whence `rank`, who does not own it, reads means[piece]. */
  source(piece: number, rank: number): MeanSource;
}

export interface ReducePattern {
  /** As a user writes it, with its parameters: `scatter-reduce:16`, `tree:1,5,22,100`. */
  readonly name: string;
  /** The same pattern with what it leaves open chosen for these prices; absent if it leaves nothing open. */
  readonly priced?: (prices: RequestPrices) => ReducePattern;
  /** Throws SltrainError "reduce-invalid" if the pattern does not fit `worldSize`. */
  plan(bucket: ElementRange, worldSize: number, bucketIndex: number): ReducePlan;
}

export function longestOf(ranges: readonly ElementRange[]): number {
  return ranges.reduce((longest, { begin, end }) => Math.max(longest, end - begin), 0);
}

/** The pattern as it is where requests cost `prices`, or nothing. */
export function patternAt(prices: RequestPrices | undefined, reduce: ReducePattern): ReducePattern {
  return (prices && reduce.priced?.(prices)) ?? reduce;
}
