// Minimum, maximum, mean and deviation of features, a block at a time: moments of blocks are merged as Chan, Golub and
// LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979), do; the difference of large
// squares would lose columns such as years or timestamps. What a sparse row leaves out counts as zero.

import type { Transform } from "../dataset.ts";
import { isSparse } from "../feature-rows.ts";
import type { CsrRows, DenseRows, FeatureRows } from "../rows.ts";
import { columnMoments } from "./column-moments.ts";

/** An entry per feature; or one, over all values of all rows. */
export interface FeatureStatistics {
  readonly min: readonly number[];
  readonly max: readonly number[];
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
}

/** More features than this have one set. */
const MAX_COLUMNS = 65_536;

export class Moments {
  /** Features that are told apart: 1, or as many as a row has. */
  readonly #columns: number;
  readonly #rowElements: number;
  readonly #min: Float64Array;
  readonly #max: Float64Array;
  readonly #mean: Float64Array;
  /** Sums of squared differences from the mean. */
  readonly #squares: Float64Array;
  /** Values of each feature. */
  #count = 0;

  /** @param rowElements of a row, dense or not; `perFeature` where features differ in kind (columns, not pixels) */
  constructor(rowElements: number, perFeature: boolean) {
    this.#columns = perFeature && rowElements <= MAX_COLUMNS ? rowElements : 1;
    this.#rowElements = rowElements;
    this.#min = new Float64Array(this.#columns).fill(Infinity);
    this.#max = new Float64Array(this.#columns).fill(-Infinity);
    this.#mean = new Float64Array(this.#columns);
    this.#squares = new Float64Array(this.#columns);
  }

  get columns(): number {
    return this.#columns;
  }

  add(features: FeatureRows, rows: number): void {
    if (isSparse(features)) this.#addSparse(features, rows);
    else if (features instanceof Uint8Array && this.#columns === 1) this.#addBytes(features);
    else if (features instanceof Float32Array && this.#columns > 1) this.#addColumns(features);
    else this.#addDense(features);
  }

  #addColumns(values: Float32Array): void {
    const { min, max, mean, squares } = columnMoments(values, this.#columns);
    this.#widen(min, max);
    this.#merge(values.length / this.#columns, mean, squares);
  }

  #widen(min: Float64Array, max: Float64Array): void {
    min.forEach((value, c) => (this.#min[c] = Math.min(this.#min[c]!, value)));
    max.forEach((value, c) => (this.#max[c] = Math.max(this.#max[c]!, value)));
  }

  /** In two passes over the block. */
  #addDense(values: DenseRows): void {
    const columns = this.#columns;
    const count = values.length / columns;
    const sums = new Float64Array(columns);
    const squares = new Float64Array(columns);
    for (let i = 0; i < values.length;) {
      for (let c = 0; c < columns; c++, i++) {
        const value = values[i]!;
        sums[c]! += value;
        if (value < this.#min[c]!) this.#min[c] = value;
        if (value > this.#max[c]!) this.#max[c] = value;
      }
    }
    const means = sums.map((sum) => sum / count);
    for (let i = 0; i < values.length;) {
      for (let c = 0; c < columns; c++, i++) squares[c]! += (values[i]! - means[c]!) ** 2;
    }
    this.#merge(count, means, squares);
  }

  #addBytes(values: Uint8Array): void {
    const histogram = new Float64Array(256);
    for (const value of values) histogram[value]!++;
    let sum = 0;
    histogram.forEach((times, value) => {
      if (times === 0) return;
      sum += times * value;
      this.#min[0] = Math.min(this.#min[0]!, value);
      this.#max[0] = Math.max(this.#max[0]!, value);
    });
    const mean = sum / values.length;
    const squares = histogram.reduce((all, times, value) => all + times * (value - mean) ** 2, 0);
    this.#merge(values.length, Float64Array.of(mean), Float64Array.of(squares));
  }

  #addSparse({ columns: columnOf, values }: CsrRows, rows: number): void {
    const one = this.#columns === 1;
    const sums = new Float64Array(this.#columns);
    const stored = new Float64Array(this.#columns);
    for (let i = 0; i < values.length; i++) {
      const c = one ? 0 : columnOf[i]!;
      const value = values[i]!;
      sums[c]! += value;
      stored[c]!++;
      if (value < this.#min[c]!) this.#min[c] = value;
      if (value > this.#max[c]!) this.#max[c] = value;
    }
    const count = one ? rows * this.#rowElements : rows;
    const means = sums.map((sum) => sum / count);
    const squares = means.map((mean, c) => (count - stored[c]!) * mean ** 2);
    for (let i = 0; i < values.length; i++) {
      const c = one ? 0 : columnOf[i]!;
      squares[c]! += (values[i]! - means[c]!) ** 2;
    }
    stored.forEach((times, c) => {
      if (times === count) return;
      this.#min[c] = Math.min(this.#min[c]!, 0);
      this.#max[c] = Math.max(this.#max[c]!, 0);
    });
    this.#merge(count, means, squares);
  }

  #merge(count: number, means: Float64Array, squares: Float64Array): void {
    const total = this.#count + count;
    for (let c = 0; c < this.#columns; c++) {
      const apart = means[c]! - this.#mean[c]!;
      this.#mean[c]! += (apart * count) / total;
      this.#squares[c]! += squares[c]! + apart ** 2 * ((this.#count * count) / total);
    }
    this.#count = total;
  }

  /** All that `merge` needs: the count, then minima, maxima, means and sums of squares. */
  state(): Float64Array {
    return Float64Array.from([this.#count, ...this.#min, ...this.#max, ...this.#mean, ...this.#squares]);
  }

  /** Adds what another one of the same features has seen. Which is merged when decides over the last bits. */
  merge(state: Float64Array): void {
    const count = state[0]!;
    if (count === 0) return;
    const part = (index: number) =>
      state.subarray(1 + index * this.#columns, 1 + (index + 1) * this.#columns);
    this.#widen(part(0), part(1));
    this.#merge(count, part(2), part(3));
  }

  finish(): FeatureStatistics {
    return {
      min: [...this.#min],
      max: [...this.#max],
      mean: [...this.#mean],
      deviation: Array.from(this.#squares, (sum) => Math.sqrt(sum / this.#count)),
    };
  }
}

/** What gives features mean 0 and deviation 1. A constant carries nothing: it is centred, not divided by zero. */
export function standardisation({ mean, deviation }: FeatureStatistics): Transform {
  const scale = deviation.map((value) => (value > 0 ? 1 / value : 1));
  return { scale, offset: mean.map((value, i) => -value * scale[i]!) };
}
