// Gathers sparse rows into a batch: as CSR again, each value as a model sees it.

import { assert } from "../errors.ts";
import type { Transform } from "./dataset.ts";
import type { CsrRows } from "./rows.ts";

/** Sparse rows of a batch: row r's non-zeros are rowStarts[r]..rowStarts[r + 1]. */
export interface CsrBatch {
  /** (non-zeros) */
  readonly values: Float32Array;
  /** (non-zeros); i32 as devices have no other integers. */
  readonly columns: Int32Array;
  /** (rows + 1) */
  readonly rowStarts: Int32Array;
}

/** Whether what is zero stays so: else sparse rows are seen dense. */
export function keepsZeros({ offset }: Transform): boolean {
  return offset.every((value) => value === 0);
}

/** Rows order[begin..end) to the start of `x` (end - begin, width), zeros and all, transformed. */
export function fillFromCsr(
  { rowStarts, columns, values }: CsrRows,
  { scale, offset }: Transform,
  { order, begin, end }: { readonly order: Uint32Array; readonly begin: number; readonly end: number },
  x: Float32Array,
): void {
  const width = x.length / (end - begin);
  const perFeature = scale.length > 1 ? 1 : 0;
  for (let i = begin, to = 0; i < end; i++, to += width) {
    const row = order[i]!;
    for (let j = 0; j < width; j++) x[to + j] = offset[j * perFeature]!;
    const last = rowStarts[row + 1]!;
    for (let from = rowStarts[row]!; from < last; from++) {
      const column = columns[from]!;
      if (column >= width) continue; // a feature that training never saw
      x[to + column] = values[from]! * scale[column * perFeature]! + offset[column * perFeature]!;
    }
  }
}

/** Keeps its memory from batch to batch. */
export class CsrGatherer {
  readonly #features: CsrRows;
  readonly #scale: readonly number[];
  #values = new Float32Array(0);
  #columns = new Int32Array(0);
  #rowStarts = new Int32Array(0);

  /** Of the transform only the scale counts: an offset would leave no zeros. */
  constructor(features: CsrRows, { scale }: Transform) {
    this.#features = features;
    this.#scale = scale;
  }

  /** Rows order[begin..end), valid until the next call. */
  gather(order: Uint32Array, begin: number, end: number): CsrBatch {
    const { rowStarts: starts, columns, values } = this.#features;
    const rows = end - begin;
    if (this.#rowStarts.length < rows + 1) this.#rowStarts = new Int32Array(rows + 1);
    let nonZeros = 0;
    for (let i = 0; i < rows; i++) {
      const row = order[begin + i]!;
      nonZeros += starts[row + 1]! - starts[row]!;
      this.#rowStarts[i + 1] = nonZeros;
    }
    if (this.#values.length < nonZeros) {
      this.#values = new Float32Array(nonZeros);
      this.#columns = new Int32Array(nonZeros);
    }
    const scale = this.#scale;
    const perFeature = scale.length > 1;
    const [toValues, toColumns, all] = [this.#values, this.#columns, scale[0]!];
    let to = 0;
    for (let i = begin; i < end; i++) {
      const row = order[i]!;
      const last = starts[row + 1]!;
      for (let from = starts[row]!; from < last; from++, to++) {
        const column = columns[from]!;
        toColumns[to] = column;
        toValues[to] = values[from]! * (perFeature ? (scale[column] ?? 1) : all);
      }
    }
    return {
      values: toValues.subarray(0, nonZeros),
      columns: toColumns.subarray(0, nonZeros),
      rowStarts: this.#rowStarts.subarray(0, rows + 1),
    };
  }
}

/** (rows, width), row-major: for who looks at few rows. Dense ones are handed back. Columns outside the width are left out. */
export function denseRows(rows: CsrBatch | Float32Array | Int32Array, width: number): Float32Array {
  assert(!(rows instanceof Int32Array), "tokens are no features");
  if (!("rowStarts" in rows)) return rows;
  const { rowStarts, columns, values } = rows;
  const count = rowStarts.length - 1;
  const dense = new Float32Array(count * width);
  for (let row = 0; row < count; row++) {
    for (let i = rowStarts[row]!; i < rowStarts[row + 1]!; i++) {
      if (columns[i]! < width) dense[row * width + columns[i]!] = values[i]!;
    }
  }
  return dense;
}
