// Rising positions as the numbers of places between them, 7 bits a byte, the lowest first, the high bit set if more follow
// (LEB128): one byte each where they are dense, and never more than `gapBytes` in all.

/** The most bytes for `count` positions below `length`. */
export function gapBytes(count: number, length: number): number {
  return count + longGapBytes(length);
}

/** The most bytes beyond one each that all gaps together can take: those of at least 2^7 take a second, and so on. */
export function longGapBytes(length: number): number {
  let bytes = 0;
  for (let least = 2 ** 7; least <= length; least *= 2 ** 7) bytes += Math.floor(length / least);
  return bytes;
}

/** Writes the gap at `at`; returns where the next one goes. */
export function writeGap(bytes: Uint8Array, at: number, gap: number): number {
  for (; gap >= 0x80; gap >>>= 7) bytes[at++] = (gap & 0x7f) | 0x80;
  bytes[at++] = gap;
  return at;
}

/** Reads gaps from byte `at` on. */
export class GapReader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  next(): number {
    let byte = this.#bytes[this.#at++]!;
    let gap = byte & 0x7f;
    for (let shift = 7; byte >= 0x80; shift += 7) {
      byte = this.#bytes[this.#at++]!;
      gap |= (byte & 0x7f) << shift;
    }
    return gap;
  }
}
