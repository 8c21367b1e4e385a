// Rows of a table in the making: dense, or sparse where text is hashed. A row is there once it is ended; what was put in
// before that is written over by the next.

import type { FeatureRows, FeatureType } from "../rows.ts";
import type { BlockMemory } from "../threads/block-memory.ts";
import type { CsvLayout } from "./csv-layout.ts";
import { murmur3 } from "./murmur3.ts";

export interface CsvRows {
  readonly featureType: FeatureType;
  readonly width: number;
  readonly names: readonly string[] | undefined;
  reserve(textBytes: number): void;
  beginRow(): void;
  /** The row's next number; one that is missing is put as 0. */
  number(value: number): void;
  endRow(): void;
  takeFeatures(memory: BlockMemory): FeatureRows;
}

export class DenseCsvRows implements CsvRows {
  readonly featureType = "f32";
  readonly width: number;
  readonly names: readonly string[] | undefined;
  #values = new Float32Array();
  /** Elements of rows that are there, and with those of the row in the making. */
  #ended = 0;
  #length = 0;

  constructor({ names, label, hasHeader }: CsvLayout) {
    const features = names.filter((_, c) => c !== label);
    this.width = features.length;
    this.names = hasHeader ? features : undefined;
  }

  reserve(textBytes: number): void {
    // A number and its separator are two bytes.
    const elements = Math.ceil(textBytes / 2) + 1;
    if (this.#values.length < elements) this.#values = new Float32Array(elements);
  }

  beginRow(): void {
    this.#length = this.#ended;
  }

  number(value: number): void {
    this.#values[this.#length++] = value;
  }

  endRow(): void {
    this.#ended = this.#length;
  }

  takeFeatures(memory: BlockMemory): Float32Array {
    const features = memory.copy(this.#values, this.#ended);
    this.#ended = 0;
    return features;
  }
}

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
  /** That were hashed last, and a view of them that reads four at a time. */
  #bytes: Uint8Array = new Uint8Array();
  #words: DataView = new DataView(this.#bytes.buffer);
  /** Of the row in the making, rising. */
  #hashes: Uint32Array;
  #hashCount = 0;

  constructor({ isText, label }: CsvLayout, hashBits: number) {
    const texts = isText.filter(Boolean).length;
    this.#firstHashed = isText.length - texts - (label < 0 ? 0 : 1);
    this.#mask = 2 ** hashBits - 1;
    this.width = this.#firstHashed + 2 ** hashBits;
    this.#hashes = new Uint32Array(texts);
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
    this.#hashCount = 0;
  }

  number(value: number): void {
    if (value !== 0) this.#push(this.#numbers, value);
    this.#numbers++;
  }

  /** The text that stands in bytes [begin, end) of column `column` of the table. */
  text(bytes: Uint8Array, begin: number, end: number, column: number): void {
    if (begin === end) return;
    if (this.#bytes !== bytes) {
      this.#bytes = bytes;
      this.#words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    const hash = murmur3(this.#words, begin, end, column) & this.#mask;
    // Columns of a row rise. They are some dozens: to insert each is much cheaper than a call of sort().
    const hashes = this.#hashes;
    let at = this.#hashCount++;
    for (; at > 0 && hashes[at - 1]! > hash; at--) hashes[at] = hashes[at - 1]!;
    hashes[at] = hash;
  }

  endRow(): void {
    const hashes = this.#hashes;
    const count = this.#hashCount;
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
