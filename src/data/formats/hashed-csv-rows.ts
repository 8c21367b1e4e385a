// Sparse rows of a table in the making, whose texts are hashed.

import type { FeatureRows } from "../rows.ts";
import type { BlockMemory } from "../threads/block-memory.ts";
import type { CsvLayout } from "./csv-layout.ts";
import type { CsvRows } from "./csv-rows.ts";
import { RisingHashes } from "./rising-hashes.ts";
import { WordHasher } from "./word-hasher.ts";

/**
 * The columns of numbers first, then 2^hashBits into which texts are hashed, each by its column and its content: the
 * hashing trick (Weinberger et al., ICML 2009) as Criteo's data are used with it. What is missing is zero.
 */
export class HashedCsvRows implements CsvRows {
  readonly featureType = "csr";
  readonly width: number;
  // 2^k columns have no names.
  readonly names = undefined;
  readonly #mask: number;
  readonly #firstHashed: number;
  #columns = new Uint32Array();
  #values = new Float32Array();
  #rowStarts = new Uint32Array(1);
  #rows = 0;
  #ended = 0;
  #length = 0;
  #numbers = 0;
  readonly #words: WordHasher;
  /** Of the row in the making. */
  readonly #hashes: RisingHashes;

  constructor({ isText, label, separator }: CsvLayout, hashBits: number) {
    this.#words = new WordHasher(separator);
    const texts = isText.filter(Boolean).length;
    this.#firstHashed = isText.length - texts - (label < 0 ? 0 : 1);
    this.#mask = 2 ** hashBits - 1;
    this.width = this.#firstHashed + 2 ** hashBits;
    this.#hashes = new RisingHashes(texts, hashBits);
  }

  reserve(textBytes: number): void {
    // A cell and its separator are two bytes, and so are a row and its newline.
    const cells = Math.ceil(textBytes / 2) + 1;
    if (this.#columns.length >= cells) return;
    this.#columns = new Uint32Array(cells);
    this.#values = new Float32Array(cells);
    this.#rowStarts = new Uint32Array(cells + 1);
  }

  beginRow(): void {
    this.#length = this.#ended;
    this.#numbers = 0;
    this.#hashes.clear();
  }

  number(value: number): void {
    if (value !== 0) this.#push(this.#numbers, value);
    this.#numbers++;
  }

  /**
   * The text of the cell at `at`, of column `column` of the table. Returns where the cell stops; -1, and nothing is put, if
   * it is not as plain as most: `text` is to be told then where the text lies.
   */
  plainText(bytes: Uint8Array, at: number, column: number): number {
    const words = this.#words;
    const stop = words.hashPlain(bytes, at, column);
    if (stop >= 0 && words.length > 0) this.#hashes.put(words.hash & this.#mask);
    return stop;
  }

  /** The text that stands in bytes [begin, end) of column `column` of the table. */
  text(bytes: Uint8Array, begin: number, end: number, column: number): void {
    if (begin < end) this.#hashes.put(this.#words.hashBytes(bytes, begin, end, column) & this.#mask);
  }

  endRow(): void {
    const count = this.#hashes.take();
    const hashes = this.#hashes.taken;
    for (let i = 0; i < count;) {
      const hash = hashes[i]!;
      const first = i;
      while (i < count && hashes[i] === hash) i++;
      // Texts that fall into one feature add up.
      this.#push(this.#firstHashed + hash, i - first);
    }
    this.#ended = this.#length;
    this.#rowStarts[++this.#rows] = this.#ended;
  }

  #push(column: number, value: number): void {
    this.#columns[this.#length] = column;
    this.#values[this.#length++] = value;
  }

  takeFeatures(memory: BlockMemory): FeatureRows {
    const features = {
      rowStarts: memory.copy(this.#rowStarts, this.#rows + 1),
      columns: memory.copy(this.#columns, this.#ended),
      values: memory.copy(this.#values, this.#ended),
    };
    this.#rows = 0;
    this.#ended = 0;
    return features;
  }
}
