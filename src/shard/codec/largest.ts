// Which of many values are the k largest in magnitude: exact, by histograms of the bits' digits (radix select), for a
// sort would take a hundred times as long. All values are seen twice: to count the first digits, and to gather those
// whose first digit is large enough; the rest concerns these few only.

import { inBlocks } from "./blocks.ts";

const BLOCK = 4096;
/** Digits of a magnitude's 31 bits: the first has the exponent and three bits of the mantissa, the others ten each. */
const FIRST_SHIFT = 20;
const LATER_SHIFTS = [10, 0] as const;
const FIRST_DIGITS = 2048;
const LATER_BITS = 10;
const LATER_DIGITS = 2 ** LATER_BITS;

const histogram = new Int32Array(FIRST_DIGITS);
let candidates = new Int32Array(0);

/**
 * The indices of the k largest magnitudes, ascending; the lower index of equal ones wins. `bits` are those of f32 values,
 * k at most their number. A NaN counts as larger than infinity. The result is valid until the next call.
 */
export function selectLargest(bits: Int32Array, k: number): Int32Array {
  if (k === 0) return candidates.subarray(0, 0);
  histogram.fill(0);
  inBlocks(bits.length, BLOCK, (begin, end) => tallyFirst(bits, begin, end));
  let { digit, remaining } = digitOf(k, FIRST_DIGITS);
  const count = k - remaining + histogram[digit]!;
  if (candidates.length <= count) candidates = new Int32Array(count + 1);
  let found = 0;
  inBlocks(bits.length, BLOCK, (begin, end) => {
    found = gather(bits, digit << FIRST_SHIFT, found, begin, end);
  });
  let prefix = digit;
  for (const shift of LATER_SHIFTS) {
    histogram.fill(0);
    inBlocks(found, BLOCK, (begin, end) => tallyLater(bits, prefix, shift, begin, end));
    ({ digit, remaining } = digitOf(remaining, LATER_DIGITS));
    prefix = prefix * LATER_DIGITS + digit;
  }
  return candidates.subarray(0, dropSmaller(bits, found, prefix, remaining));
}

/** The digit of the k-th largest of those that were counted, and how many of the k have it. */
function digitOf(k: number, digits: number): { digit: number; remaining: number } {
  let digit = digits - 1;
  let remaining = k;
  while (histogram[digit]! < remaining) remaining -= histogram[digit--]!;
  return { digit, remaining };
}

function tallyFirst(bits: Int32Array, begin: number, end: number): void {
  for (let i = begin; i < end; i++) histogram[(bits[i]! & 0x7fffffff) >>> FIRST_SHIFT]!++;
}

/**
 * Appends the indices of magnitudes from `least` on to the candidates; how many there are by the end of this block.
 * Every index is written, and the next one in its place if it was none: no branch that cannot be foretold.
 */
function gather(bits: Int32Array, least: number, found: number, begin: number, end: number): number {
  for (let i = begin; i < end; i++) {
    candidates[found] = i;
    found += 1 - (((bits[i]! & 0x7fffffff) - least) >>> 31);
  }
  return found;
}

/** Counts the next digits of the candidates whose magnitudes begin with `prefix`. */
function tallyLater(bits: Int32Array, prefix: number, shift: number, begin: number, end: number): void {
  for (let j = begin; j < end; j++) {
    const digits = (bits[candidates[j]!]! & 0x7fffffff) >>> shift;
    if (digits >>> LATER_BITS === prefix) histogram[digits & (LATER_DIGITS - 1)]!++;
  }
}

/** Keeps, in place, candidates above the k-th magnitude and the first `ties` that equal it; how many that are. */
function dropSmaller(bits: Int32Array, count: number, kth: number, ties: number): number {
  let kept = 0;
  for (let j = 0; j < count; j++) {
    const i = candidates[j]!;
    const magnitude = bits[i]! & 0x7fffffff;
    if (magnitude > kth || (magnitude === kth && ties-- > 0)) candidates[kept++] = i;
  }
  return kept;
}
