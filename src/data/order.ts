// Who trains on which rows, and when: pure functions of counts and seed, so that every worker computes its own part
// and the order of samples does not depend on how many workers there are.

import { RandomStream } from "../random.ts";

/** Positions [begin, end) of an epoch's order. */
export interface RowSlice {
  readonly begin: number;
  readonly end: number;
}

/** The order of rows in an epoch: a permutation of 0..count-1 that depends on seed and epoch alone. */
export function epochOrder(count: number, seed: number, epoch: number): Uint32Array {
  return new RandomStream(seed, "shuffle", epoch).permutation(count);
}

/** The rows as they lie in the data. */
export function inOrder(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, row) => row);
}

/** Global batches of an epoch; the last one may be smaller. */
export function batchesPerEpoch(count: number, batchSize: number): number {
  return Math.ceil(count / batchSize);
}

/**
 * The rank's part of global batch `batchIndex`, which is positions [i * batchSize, min((i + 1) * batchSize, count)) of the
 * epoch's order. The ranks' parts tile the batch in rank order and differ by at most one row; a part may be empty.
 */
export function batchSlice(
  count: number,
  batchSize: number,
  batchIndex: number,
  rank: number,
  worldSize: number,
): RowSlice {
  const begin = batchIndex * batchSize;
  const batch = Math.max(0, Math.min(batchSize, count - begin));
  const part = evenPart(batch, rank, worldSize);
  return { begin: begin + part.begin, end: begin + part.end };
}

/**
 * Part `index` of `count` rows that are cut into `parts` runs whose lengths differ by at most one. Also the rows that a
 * rank holds when no worker can hold the whole split (`evenPart(count, rank, worldSize)`), and what it then takes of its
 * own rows for a batch (`evenPart(held, batchIndex, batchesPerEpoch(count, batchSize))`).
 */
export function evenPart(count: number, index: number, parts: number): RowSlice {
  return { begin: Math.floor((index * count) / parts), end: Math.floor(((index + 1) * count) / parts) };
}
