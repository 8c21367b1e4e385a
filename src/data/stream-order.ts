// The order in which rows are streamed that do not fit into memory: blocks in random order, some at a time as a window, and
// the rows of a window in random order; or all as they are stored. A pure function of seed and epoch, and of what memory a
// window may take: whoever takes over at any step goes on with the same rows.

import { RandomStream } from "../random.ts";
import { inOrder, type RowSlice } from "./order.ts";
import type { WantedBlock } from "./reader.ts";

/** Rows that are in memory together: positions [begin, end) of the epoch's order. */
export interface RowWindow extends RowSlice {
  readonly index: number;
  /** What it is loaded from. */
  readonly wanted: readonly WantedBlock[];
}

/** Of an epoch. */
export interface Shuffle {
  /** Without it rows come as they are stored. */
  readonly seed: number | undefined;
  readonly epoch: number;
}

/** @param parts of blocks, all of them together once in each epoch */
export function windowsOf(
  parts: readonly WantedBlock[],
  blocksPerWindow: number,
  { seed, epoch }: Shuffle,
): readonly RowWindow[] {
  const order =
    seed === undefined
      ? inOrder(parts.length)
      : new RandomStream(seed, "shuffle blocks", epoch).permutation(parts.length);
  const windows: RowWindow[] = [];
  let begin = 0;
  for (let first = 0; first < parts.length; first += blocksPerWindow) {
    const wanted: WantedBlock[] = [];
    let rows = 0;
    for (const part of order.subarray(first, first + blocksPerWindow)) {
      const { block, take } = parts[part]!;
      wanted.push({ block, take, at: rows });
      rows += take.end - take.begin;
    }
    windows.push({ index: windows.length, wanted, begin, end: begin + rows });
    begin += rows;
  }
  return windows;
}

/** Row of the window by position in it. */
export function windowOrder({ index, begin, end }: RowWindow, { seed, epoch }: Shuffle): Uint32Array {
  if (seed === undefined) return inOrder(end - begin);
  // Windows are far fewer than 2^12, and epochs than 2^20: streams differ.
  return new RandomStream(seed, "shuffle window", epoch * 4096 + index).permutation(end - begin);
}
