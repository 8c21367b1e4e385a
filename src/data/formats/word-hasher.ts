// Words of a table hashed in the same pass that finds where they end: four bytes at a time, as long as none of them means
// anything to a table.

import { finish, mix, murmur3 } from "./murmur3.ts";
import { CARRIAGE_RETURN, NEWLINE } from "./text-records.ts";

const ONES = 0x01010101;
const HIGH_BITS = 0x80808080 | 0;
/** Below it lie blanks, quotes, line ends, tab and comma; at it and above letters, digits, `-`, `.`, `_` and all of UTF-8. */
const LEAST_PLAIN = 0x2d;
const LEAST_PLAIN_IN_EACH = LEAST_PLAIN * ONES;

export class WordHasher {
  /** Of the word that was hashed last; signed. */
  hash = 0;
  /** Of the plain cell that was hashed last, in bytes. */
  length = 0;
  readonly #separator: number;
  readonly #separatorInEach: number;
  /** That were read last, and a view of them that reads four at a time. */
  #bytes: Uint8Array = new Uint8Array();
  #words: DataView = new DataView(new ArrayBuffer(0));
  /** Where the last four bytes begin. */
  #lastWord = -1;

  constructor(separator: number) {
    this.#separator = separator;
    this.#separatorInEach = Math.imul(separator, ONES);
  }

  /**
   * `hash` becomes that of the cell at `at`, where it is nothing but plain bytes up to a separator or a line's end. Returns
   * where that stands; -1 for any other cell.
   */
  hashPlain(bytes: Uint8Array, at: number, seed: number): number {
    if (bytes !== this.#bytes) this.#open(bytes);
    const words = this.#words;
    const lastWord = this.#lastWord;
    const separators = this.#separatorInEach;
    let hash = seed | 0;
    for (let end = at; end <= lastWord; end += 4) {
      const word = words.getInt32(end, true);
      // The high bit of each byte that is below LEAST_PLAIN or the separator; the lowest one that is set is true, those
      // above it may come from a borrow (Warren, Hacker's Delight, 6-1).
      const differs = word ^ separators;
      const marks = (((word - LEAST_PLAIN_IN_EACH) & ~word) | ((differs - ONES) & ~differs)) & HIGH_BITS;
      if (marks === 0) {
        hash = mix(hash, word);
        continue;
      }
      const tailBits = (31 - Math.clz32(marks & -marks)) & ~7;
      const stop = end + (tailBits >> 3);
      this.length = stop - at;
      this.hash = finish(hash, word & ((1 << tailBits) - 1), this.length);
      const byte = bytes[stop]!;
      if (byte === this.#separator || byte === NEWLINE) return stop;
      return byte === CARRIAGE_RETURN && bytes[stop + 1] === NEWLINE ? stop + 1 : -1;
    }
    return -1;
  }

  /** The same hash, of bytes [begin, end), whatever they are. */
  hashBytes(bytes: Uint8Array, begin: number, end: number, seed: number): number {
    if (bytes !== this.#bytes) this.#open(bytes);
    return murmur3(this.#words, begin, end, seed);
  }

  #open(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#lastWord = bytes.length - 4;
  }
}
