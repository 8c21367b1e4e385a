// Rows in the order of their keys: pure functions, for any thread.

import { isSparse, sizeBytesOf } from "../feature-rows.ts";
import type { RowBlock } from "../rows.ts";
import { RowBuffer } from "./row-buffer.ts";
import type { KeyedRows } from "./spill-file.ts";

const DIGIT_BITS = 11;
const DIGITS = 2 ** DIGIT_BITS;

/** Where the rows of some blocks are, from the least key to the highest; of equal keys the row that came first. */
export interface SortedPlaces {
  /** Of the k-th row: the index of its block. */
  readonly blockOf: Uint32Array;
  /** Of the k-th row: its place in that block. */
  readonly rowOf: Uint32Array;
}

export function sortedPlaces(all: readonly KeyedRows[]): SortedPlaces {
  const count = countOf(all);
  const keys = new Uint32Array(count);
  const begins = new Uint32Array(all.length);
  const blockAt = new Uint32Array(count);
  let at = 0;
  for (const [index, { keys: own }] of all.entries()) {
    keys.set(own, at);
    blockAt.fill(index, at, at + own.length);
    begins[index] = at;
    at += own.length;
  }
  // In the order of keys: indices over all blocks, then within the block.
  const rowOf = orderByKey(keys);
  const blockOf = new Uint32Array(count);
  for (let k = 0; k < count; k++) {
    const block = blockAt[rowOf[k]!]!;
    blockOf[k] = block;
    rowOf[k]! -= begins[block]!;
  }
  return { blockOf, rowOf };
}

/**
 * All rows of `all`, of which there is at least one, as one block.
 * @param denseWidth where sparse rows are to become dense ones of f32
 */
export function sortRows(all: readonly KeyedRows[], denseWidth?: number): RowBlock {
  const { blockOf, rowOf } = sortedPlaces(all);
  const blocks = all.map(({ block }) => block);
  const rows = new RowBuffer(bytesOfAll(all, denseWidth), denseWidth);
  for (let k = 0; k < rowOf.length; k++) rows.append(blocks[blockOf[k]!]!, rowOf[k]!);
  return rows.take();
}

function bytesOfAll(all: readonly KeyedRows[], denseWidth: number | undefined): number {
  if (denseWidth !== undefined && isSparse(all[0]!.block.features))
    return countOf(all) * denseWidth * Float32Array.BYTES_PER_ELEMENT;
  return all.reduce((sum, { block }) => sum + sizeBytesOf(block.features), 0);
}

function countOf(all: readonly KeyedRows[]): number {
  return all.reduce((sum, { block }) => sum + block.count, 0);
}

/** Indices of `keys` in rising order, equal ones in the order in which they stand: a radix sort by 11 bits at a time. */
export function orderByKey(keys: Uint32Array): Uint32Array {
  const count = keys.length;
  let order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  let next = new Uint32Array(count);
  for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
    const starts = new Uint32Array(DIGITS + 1);
    for (let i = 0; i < count; i++) starts[((keys[i]! >>> shift) & (DIGITS - 1)) + 1]!++;
    for (let digit = 0; digit < DIGITS; digit++) starts[digit + 1]! += starts[digit]!;
    for (let k = 0; k < count; k++) {
      const i = order[k]!;
      next[starts[(keys[i]! >>> shift) & (DIGITS - 1)]!++] = i;
    }
    [order, next] = [next, order];
  }
  return order;
}
