// What the sparse twins share: CSR rows that grow, and what is fixed about a column.

import type { CsrRows } from "../rows.ts";

/** Rows of at most `maxRowNonZeros` columns, added one by one. */
export class CsrBuilder {
  readonly #rowStarts: Uint32Array;
  readonly #columns: Uint32Array;
  readonly #values: Float32Array;
  #rows = 0;
  #nonZeros = 0;

  constructor(rows: number, maxRowNonZeros: number) {
    this.#rowStarts = new Uint32Array(rows + 1);
    this.#columns = new Uint32Array(rows * maxRowNonZeros);
    this.#values = new Float32Array(rows * maxRowNonZeros);
  }

  /** A row of ones in these columns, in any order; it is sorted in place, and a column that comes twice counts once. */
  addBinary(columns: Uint32Array): void {
    this.#addColumns(columns);
    this.#values.fill(1, this.#rowStarts[this.#rows - 1], this.#nonZeros);
  }

  /** As `addBinary`, with a value per column and then scaled to length 1. */
  addNormalised(columns: Uint32Array, valueOf: (column: number) => number): void {
    this.#addColumns(columns);
    const begin = this.#rowStarts[this.#rows - 1]!;
    let squares = 0;
    for (let i = begin; i < this.#nonZeros; i++) {
      const value = valueOf(this.#columns[i]!);
      this.#values[i] = value;
      squares += value * value;
    }
    const scale = 1 / Math.sqrt(squares);
    for (let i = begin; i < this.#nonZeros; i++) this.#values[i]! *= scale;
  }

  #addColumns(columns: Uint32Array): void {
    columns.sort();
    let previous = -1;
    for (const column of columns) {
      if (column === previous) continue;
      this.#columns[this.#nonZeros++] = column;
      previous = column;
    }
    this.#rowStarts[++this.#rows] = this.#nonZeros;
  }

  finish(): CsrRows {
    return {
      rowStarts: this.#rowStarts,
      columns: this.#columns.slice(0, this.#nonZeros),
      values: this.#values.slice(0, this.#nonZeros),
    };
  }
}

/** A mix of all bits (MurmurHash3's finaliser). */
export function hash32(value: number, salt: number): number {
  let hash = (value ^ salt) | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** In [-1, 1): how far what has this number leans to class 1 (above 0) or to class 0, fixed for ever. */
export function leaningOf(category: number, salt: number): number {
  return hash32(category, salt ^ 0x5bd1e995) / 0x80000000 - 1;
}
