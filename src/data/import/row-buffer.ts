// Rows gathered one by one from blocks of any order, until they are taken as one block.

import { denseArray, featureTypeOf, isSparse, VALUE_BYTES } from "../feature-rows.ts";
import type { CsrRows, DenseRows, FeatureRows, FeatureType, RowBlock } from "../rows.ts";

/** Below it a loop over the values is faster than a view of the row. */
const SHORT_ROW = 32;

/** What `take` gives is the receiver's. */
export class RowBuffer {
  readonly #capacityBytes: number;
  readonly #denseWidth: number | undefined;
  #rows: DenseBuffer | CsrBuffer | undefined;
  #labels = new Float64Array(0);
  #hasLabels = false;
  #count = 0;

  /**
   * Takes at least one row, and all that `capacityBytes` hold.
   * @param denseWidth where sparse rows are to become dense ones of f32
   */
  constructor(capacityBytes: number, denseWidth?: number) {
    this.#capacityBytes = capacityBytes;
    this.#denseWidth = denseWidth;
  }

  get count(): number {
    return this.#count;
  }

  /** Row `row` of `block`; all blocks are of one type and width. Tells whether the buffer is full. */
  append(block: RowBlock, row: number): boolean {
    this.#rows ??= this.#open(block);
    this.#hasLabels = block.labels.length > 0;
    if (this.#hasLabels) {
      if (this.#count === this.#labels.length) this.#labels = grown(this.#labels, this.#count + 1);
      this.#labels[this.#count] = block.labels[row]!;
    }
    this.#count++;
    return this.#rows.append(block.features, row);
  }

  /** As `append` of rows [begin, end), up to the one that fills the buffer. Returns behind which row it stopped, and whether it is full. */
  appendRun(
    block: RowBlock,
    begin: number,
    end: number,
  ): { readonly next: number; readonly isFull: boolean } {
    this.#rows ??= this.#open(block);
    const rows = this.#rows;
    if (isSparse(block.features) || !(rows instanceof DenseBuffer)) {
      for (let row = begin; row < end; row++)
        if (this.append(block, row)) return { next: row + 1, isFull: true };
      return { next: end, isFull: false };
    }
    const next = Math.min(end, begin + rows.room);
    this.#hasLabels = block.labels.length > 0;
    if (this.#hasLabels) {
      const wanted = this.#count + next - begin;
      if (wanted > this.#labels.length) this.#labels = grown(this.#labels, wanted);
      this.#labels.set(block.labels.subarray(begin, next), this.#count);
    }
    this.#count += next - begin;
    return { next, isFull: rows.appendRun(block.features, begin, next) };
  }

  #open({ features, count }: RowBlock): DenseBuffer | CsrBuffer {
    if (!isSparse(features))
      return new DenseBuffer(featureTypeOf(features), features.length / count, this.#capacityBytes);
    return this.#denseWidth === undefined
      ? new CsrBuffer(this.#capacityBytes)
      : new DenseBuffer("f32", this.#denseWidth, this.#capacityBytes);
  }

  /** All rows since the last call; there is at least one. */
  take(): RowBlock {
    const block = {
      count: this.#count,
      features: this.#rows!.take(),
      labels: this.#hasLabels ? this.#labels.slice(0, this.#count) : new Float64Array(0),
    };
    this.#count = 0;
    return block;
  }
}

type DenseType = Exclude<FeatureType, "csr">;

class DenseBuffer {
  readonly #type: DenseType;
  readonly #width: number;
  readonly #capacity: number;
  #values: DenseRows;
  #length = 0;

  constructor(type: FeatureType, width: number, capacityBytes: number) {
    this.#type = type as DenseType;
    this.#width = width;
    this.#capacity = width * Math.max(1, Math.floor(capacityBytes / (width * VALUE_BYTES[this.#type])));
    this.#values = denseArray(this.#type, this.#capacity);
  }

  append(features: FeatureRows, row: number): boolean {
    if (this.#values.length === 0) this.#values = denseArray(this.#type, this.#capacity);
    if (isSparse(features)) this.#scatter(features, row);
    else this.#copy(features, row);
    this.#length += this.#width;
    return this.#length === this.#capacity;
  }

  /** Rows that it takes before it is full. */
  get room(): number {
    return (this.#capacity - this.#length) / this.#width;
  }

  appendRun(from: DenseRows, begin: number, end: number): boolean {
    if (this.#values.length === 0) this.#values = denseArray(this.#type, this.#capacity);
    this.#values.set(from.subarray(begin * this.#width, end * this.#width), this.#length);
    this.#length += (end - begin) * this.#width;
    return this.#length === this.#capacity;
  }

  #copy(from: DenseRows, row: number): void {
    const begin = row * this.#width;
    if (this.#width < SHORT_ROW) {
      for (let i = 0; i < this.#width; i++) this.#values[this.#length + i] = from[begin + i]!;
    } else {
      this.#values.set(from.subarray(begin, begin + this.#width), this.#length);
    }
  }

  #scatter({ rowStarts, columns, values }: CsrRows, row: number): void {
    // Behind its length the array has zeros only.
    const into = this.#values;
    const at = this.#length;
    const end = rowStarts[row + 1]!;
    for (let i = rowStarts[row]!; i < end; i++) into[at + columns[i]!] = values[i]!;
  }

  take(): DenseRows {
    const taken = this.#length < this.#capacity ? this.#values.slice(0, this.#length) : this.#values;
    this.#values = denseArray(this.#type, 0);
    this.#length = 0;
    return taken;
  }
}

class CsrBuffer {
  readonly #capacityBytes: number;
  #starts = new Uint32Array(64);
  #columns = new Uint32Array(256);
  #values = new Float32Array(256);
  #rows = 0;

  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes;
  }

  append(features: FeatureRows, row: number): boolean {
    const { rowStarts, columns, values } = features as CsrRows;
    const begin = rowStarts[row]!;
    const end = rowStarts[row + 1]!;
    const at = this.#starts[this.#rows]!;
    const length = at + end - begin;
    if (length > this.#columns.length) {
      this.#columns = grown(this.#columns, length);
      this.#values = grown(this.#values, length);
    }
    for (let i = begin, to = at; i < end; i++, to++) {
      this.#columns[to] = columns[i]!;
      this.#values[to] = values[i]!;
    }
    if (++this.#rows === this.#starts.length) this.#starts = grown(this.#starts, this.#rows + 1);
    this.#starts[this.#rows] = length;
    return 4 * this.#rows + 8 * length >= this.#capacityBytes;
  }

  take(): CsrRows {
    const nonZeros = this.#starts[this.#rows]!;
    const rows = this.#rows;
    this.#rows = 0;
    return {
      rowStarts: this.#starts.slice(0, rows + 1),
      columns: this.#columns.slice(0, nonZeros),
      values: this.#values.slice(0, nonZeros),
    };
  }
}

/** A copy of at least `length`, and at least twice as long. */
function grown<T extends Uint32Array | Float32Array | Float64Array>(array: T, length: number): T {
  const larger = new (array.constructor as new (length: number) => T)(Math.max(length, 2 * array.length));
  larger.set(array);
  return larger;
}
