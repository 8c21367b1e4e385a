// Which of many values are the k largest in magnitude: exact, by histograms of the bits' digits (radix select), for a
// sort would take a hundred times as long.

import { inBlocks } from "./blocks.ts";

const BLOCK = 4096;
/** Digits of a magnitude's 31 bits, the highest first. */
const DIGITS = [
  { shift: 20, count: 2048 },
  { shift: 10, count: 1024 },
  { shift: 0, count: 1024 },
] as const;
const histogram = new Uint32Array(2048);

/**
 * Writes the indices of the k largest magnitudes, ascending, to `indices` (of at least k); the lower index of equal ones
 * wins. `bits` are those of f32 values, k at most their number. A NaN counts as larger than infinity.
 */
export function selectLargest(bits: Uint32Array, k: number, indices: Uint32Array): void {
  if (k === 0) return;
  const { magnitude, ties } = kthLargest(bits, k);
  const lastTie = indexOfTie(bits, magnitude, ties);
  let found = 0;
  inBlocks(bits.length, BLOCK, (begin, end) => {
    found = gather(bits, magnitude, lastTie, indices, found, begin, end);
  });
}

/** The k-th largest magnitude, and how many of those that equal it belong to the k. */
function kthLargest(bits: Uint32Array, k: number): { magnitude: number; ties: number } {
  let prefix = 0;
  let remaining = k;
  for (const { shift, count } of DIGITS) {
    histogram.fill(0);
    const above = shift + Math.log2(count);
    inBlocks(bits.length, BLOCK, (begin, end) => tally(bits, prefix, above, shift, count - 1, begin, end));
    let digit = count - 1;
    while (histogram[digit]! < remaining) remaining -= histogram[digit--]!;
    prefix = prefix * count + digit;
  }
  return { magnitude: prefix, ties: remaining };
}

/** Counts the digits at `shift` of the magnitudes that begin with `prefix`. */
function tally(
  bits: Uint32Array,
  prefix: number,
  above: number,
  shift: number,
  mask: number,
  begin: number,
  end: number,
): void {
  for (let i = begin; i < end; i++) {
    const magnitude = bits[i]! & 0x7fffffff;
    // A shift by 31 leaves nothing of a magnitude.
    if (magnitude >>> above === prefix) histogram[(magnitude >>> shift) & mask]!++;
  }
}

/** Where the last of the first `ties` values of this magnitude lies. */
function indexOfTie(bits: Uint32Array, magnitude: number, ties: number): number {
  let i = -1;
  while (ties > 0) if ((bits[++i]! & 0x7fffffff) === magnitude) ties--;
  return i;
}

/** How many are found by the end of this block. */
function gather(
  bits: Uint32Array,
  least: number,
  lastTie: number,
  indices: Uint32Array,
  found: number,
  begin: number,
  end: number,
): number {
  for (let i = begin; i < end; i++) {
    const magnitude = bits[i]! & 0x7fffffff;
    if (magnitude > least || (magnitude === least && i <= lastTie)) indices[found++] = i;
  }
  return found;
}
