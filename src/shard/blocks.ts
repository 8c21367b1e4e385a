// Divides a range of a flat vector evenly. Bounds are multiples of 64 elements, as tensors' are: a part of a vector in
// a GPU's memory can be bound by itself.

import type { ElementRange } from "./layout.ts";

const BLOCK_ELEMENTS = 64;

/** At most `count` ranges that differ by one block at most; never an empty one, except for an empty range. */
export function splitEvenly({ begin, end }: ElementRange, count: number): ElementRange[] {
  const blocks = Math.ceil((end - begin) / BLOCK_ELEMENTS);
  const parts = Math.max(1, Math.min(count, blocks));
  const bound = (i: number): number =>
    Math.min(end, begin + Math.floor((i * blocks) / parts) * BLOCK_ELEMENTS);
  return Array.from({ length: parts }, (_, i) => ({ begin: bound(i), end: bound(i + 1) }));
}
