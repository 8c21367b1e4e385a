// Host buffers for batches of one data set: gathered and converted in place, nothing allocated per step once the
// largest batch has been seen.

import { Augmenter, type AugmenterOptions } from "../data/augment.ts";
import { fillBatch } from "../data/batch.ts";
import { CsrGatherer, fillFromCsr, keepsZeros } from "../data/csr-batch.ts";
import { fillTokens } from "../data/token-batch.ts";
import { rowElements, type Dataset } from "../data/dataset.ts";
import { isSparse } from "../data/feature-rows.ts";
import type { Batch } from "./batch.ts";

/** What rows are read from. */
export type ReadableRows = Pick<Dataset, "features" | "labels" | "featureShape" | "transform"> &
  Partial<Pick<Dataset, "task">>;

type ReadRows = Pick<Batch, "count" | "x" | "labels">;

export interface BatchReaderOptions {
  /** Of f32 targets: t becomes (1 - smoothing) t + smoothing / 2, as softmax cross-entropy's op does for two classes. */
  readonly targetSmoothing?: number | undefined;
  /** Of images; of training alone. */
  readonly augment?: Omit<AugmenterOptions, "featureShape" | "transform"> | undefined;
  /** Of the split: the data set's row 0; without it the split's. */
  readonly firstRow?: number;
}

export class BatchReader {
  #dataset: ReadableRows;
  readonly #featureCount: number;
  /** Of rows that a model sees sparse. */
  #gatherer: CsrGatherer | undefined;
  #x = new Float32Array(0);
  /** Of a batch, and behind them those that come next. */
  #tokens = new Int32Array(0);
  #labels: Int32Array | Float32Array = new Int32Array(0);
  /** What was read last; an order is never changed. */
  #last: { order: Uint32Array; begin: number; end: number; epoch: number; rows: ReadRows } | undefined;
  readonly #targetSmoothing: number;
  readonly #augmenter: Augmenter | undefined;
  readonly #firstRow: number;

  constructor(
    dataset: ReadableRows,
    { targetSmoothing = 0, augment, firstRow = 0 }: BatchReaderOptions = {},
  ) {
    this.#targetSmoothing = targetSmoothing;
    this.#augmenter = augment && new Augmenter({ ...dataset, ...augment });
    this.#firstRow = firstRow;
    this.#dataset = dataset;
    this.#gatherer = gathererOf(dataset);
    this.#featureCount = rowElements(dataset.featureShape);
  }

  /** Reads other rows of the same shape from now on, into the same buffers. */
  turnTo(dataset: ReadableRows): void {
    if (dataset === this.#dataset) return;
    this.#dataset = dataset;
    this.#gatherer = gathererOf(dataset);
    this.#last = undefined;
  }

  /**
   * Samples order[begin..end) (of tokens, all but a row's last, with all but its first as labels), valid until the next read. `asTargets`: classes as f32 0/1, for sigmoid losses. To read the
   * same again costs nothing, and gives the same objects. `epoch` (from 0) is what images change by where they are augmented.
   */
  read(order: Uint32Array, begin: number, end: number, asTargets: boolean, epoch = 0): ReadRows {
    const last = this.#last;
    const isFloat = last?.rows.labels instanceof Float32Array;
    const isSame = last?.order === order && last.begin === begin && last.end === end;
    if (isSame && isFloat === asTargets && (last.epoch === epoch || !this.#augmenter)) return last.rows;
    const rows = this.#gather(order, begin, end, asTargets);
    const smoothing = this.#targetSmoothing;
    if (asTargets && smoothing > 0)
      rows.labels.forEach((target, i) => (rows.labels[i] = (1 - smoothing) * target + smoothing / 2));
    if (this.#augmenter && rows.x instanceof Float32Array)
      for (let i = 0, at = 0; i < rows.count; i++, at += this.#featureCount) {
        const image = rows.x.subarray(at, at + this.#featureCount);
        this.#augmenter.apply(image, this.#firstRow + order[begin + i]!, epoch);
      }
    this.#last = { order, begin, end, epoch, rows };
    return rows;
  }

  #gather(order: Uint32Array, begin: number, end: number, asTargets: boolean): ReadRows {
    const count = end - begin;
    if (this.#dataset.task === "next-token") {
      const length = count * (this.#featureCount - 1);
      if (this.#tokens.length < 2 * length) this.#tokens = new Int32Array(2 * length);
      const [x, labels] = [this.#tokens.subarray(0, length), this.#tokens.subarray(length, 2 * length)];
      fillTokens(this.#dataset.features, order, begin, end, x, labels);
      return { count, x, labels };
    }
    if (this.#labels.length < count || this.#labels instanceof Float32Array !== asTargets) {
      this.#labels = asTargets ? new Float32Array(count) : new Int32Array(count);
    }
    const labels = this.#labels.subarray(0, count);
    const { features, transform, labels: all } = this.#dataset;
    if (this.#gatherer !== undefined) {
      for (let i = 0; i < count; i++) labels[i] = all[order[begin + i]!]!;
      return { count, x: this.#gatherer.gather(order, begin, end), labels };
    }
    if (this.#x.length < count * this.#featureCount) this.#x = new Float32Array(count * this.#featureCount);
    const x = this.#x.subarray(0, count * this.#featureCount);
    if (isSparse(features)) {
      for (let i = 0; i < count; i++) labels[i] = all[order[begin + i]!]!;
      fillFromCsr(features, transform, { order, begin, end }, x);
    } else fillBatch(this.#dataset, order, begin, end, x, labels);
    return { count, x, labels };
  }
}

function gathererOf({ features, transform }: ReadableRows): CsrGatherer | undefined {
  return isSparse(features) && keepsZeros(transform) ? new CsrGatherer(features, transform) : undefined;
}
