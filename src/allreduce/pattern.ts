// A pattern of reduction as data: who merges which part of a bucket from whom, level by level, and from whom each rank
// reads the means. One engine executes it (round.ts), one function counts what it costs (traffic.ts), and nothing in
// it depends on who is alive or when: every rank computes the same.
//
// Level 0 are the ranks' own sums. A rank that merges at level l reads one piece of each of its writers' objects of
// level l - 1, adds them in the writers' order, and publishes the result: at the top level the mean, below it pieces
// for those who merge it further. What a rank would send to itself it keeps.

import type { ElementRange } from "../shard/layout.ts";

/** A part of what a rank publishes at a level, for the one rank that merges it further. */
export interface Piece extends ElementRange {
  readonly reader: number;
}

export interface Merge extends ElementRange {
  /** Ranks, in the order of summation; those of level 0 ascending. */
  readonly writers: readonly number[];
}

/** A part of the mean: who computes it. Together they cover the bucket, in ascending order, each aligned to 64 elements. */
export interface MeanPiece extends ElementRange {
  readonly owner: number;
}

/** The plan of one bucket for one number of ranks. */
export interface ReducePlan {
  readonly worldSize: number;
  /** Merging levels, at least 1; that of the means is the last. */
  readonly levels: number;
  readonly means: readonly MeanPiece[];
  /** What `rank` publishes at `level` (0 <= level < levels), pieces of one reader next to each other; empty for nothing. */
  published(level: number, rank: number): readonly Piece[];
  /** What `rank` merges at `level` (1 <= level <= levels), at most one range a bucket. */
  merge(level: number, rank: number): Merge | undefined;
  /** Indices into `means` of what `rank` reads from their owners and passes on in one object; empty for most. */
  relayed(rank: number): readonly number[];
  /** Whom `rank` reads means[piece] from: its owner, or a rank that relays it. */
  source(piece: number, rank: number): number;
}

export interface ReducePattern {
  /** As a user writes it, with its parameters: `scatter-reduce:16`, `tree:1,5,22,100`. */
  readonly name: string;
  /** Throws SltrainError "reduce-invalid" if the pattern does not fit `worldSize`. */
  plan(bucket: ElementRange, worldSize: number, bucketIndex: number): ReducePlan;
}
