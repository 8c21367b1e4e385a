// Host buffers for batches of one data set: gathered and converted in place, nothing allocated per step once the
// largest batch has been seen.

import { fillBatch } from "../data/batch.ts";
import { rowElements, type Dataset } from "../data/dataset.ts";
import type { Batch } from "./replica.ts";

type Rows = Pick<Dataset, "features" | "labels" | "featureShape" | "transform">;

export class BatchReader {
  readonly #dataset: Rows;
  readonly #featureCount: number;
  #x = new Float32Array(0);
  #labels: Int32Array | Float32Array = new Int32Array(0);

  constructor(dataset: Rows) {
    this.#dataset = dataset;
    this.#featureCount = rowElements(dataset.featureShape);
  }

  /** Samples order[begin..end), valid until the next read. `asTargets`: classes as f32 0/1, for sigmoid losses. */
  read(
    order: Uint32Array,
    begin: number,
    end: number,
    asTargets: boolean,
  ): Pick<Batch, "count" | "x" | "labels"> {
    const count = end - begin;
    if (this.#x.length < count * this.#featureCount) this.#x = new Float32Array(count * this.#featureCount);
    if (this.#labels.length < count || this.#labels instanceof Float32Array !== asTargets) {
      this.#labels = asTargets ? new Float32Array(count) : new Int32Array(count);
    }
    const x = this.#x.subarray(0, count * this.#featureCount);
    const labels = this.#labels.subarray(0, count);
    fillBatch(this.#dataset, order, begin, end, x, labels);
    return { count, x, labels };
  }
}
