// Which rows a rank trains on, and in which order: a pure function of the run's settings. Where every worker can hold
// the whole split, batch i is the same set of samples for any number of workers. Where it cannot, a rank keeps to its
// own contiguous part of the (already shuffled) rows and takes its share of each batch from there.

import { batchesPerEpoch, batchSlice, epochOrder, evenPart, inOrder, type RowSlice } from "../data/order.ts";

export interface ScheduleOptions {
  /** Rows of the training split. */
  readonly count: number;
  readonly batchSize: number;
  readonly seed: number;
  readonly rank: number;
  readonly worldSize: number;
  /** Whether each worker holds the whole split; the same on all ranks. */
  readonly holdsAll: boolean;
  /** Whether each epoch has an order of its own; else all have that of the data. Default: yes. */
  readonly shuffles?: boolean;
}

/** Where this rank's share of one global batch stands in the epoch's order of the rows that it trains on. */
export interface BatchPosition extends RowSlice {
  readonly epoch: number;
  /** Samples of the global batch that belong to lower ranks. */
  readonly sampleOffset: number;
}

/** This rank's share of one global batch. */
export interface BatchShare extends BatchPosition {
  /** Order of the rows that the rank holds; the share is order[begin..end). */
  readonly order: Uint32Array;
}

export class SampleSchedule {
  readonly stepsPerEpoch: number;
  /** What the rank must load of the split. */
  readonly rows: RowSlice;
  readonly #options: ScheduleOptions;
  #order: { readonly epoch: number; readonly indices: Uint32Array } | undefined;

  constructor(options: ScheduleOptions) {
    this.#options = options;
    this.stepsPerEpoch = batchesPerEpoch(options.count, options.batchSize);
    this.rows = options.holdsAll ? { begin: 0, end: options.count } : this.#partOf(options.rank);
  }

  /** The share may be empty: the last batch may have fewer samples than there are ranks. */
  share(step: number): BatchShare {
    const position = this.position(step);
    return { order: this.#orderOf(position.epoch), ...position };
  }

  /** As `share`, for rows that come in an order of their own. */
  position(step: number): BatchPosition {
    const { count, batchSize, rank, worldSize, holdsAll } = this.#options;
    const batch = step % this.stepsPerEpoch;
    const epoch = Math.floor(step / this.stepsPerEpoch);
    if (holdsAll) {
      const { begin, end } = batchSlice(count, batchSize, batch, rank, worldSize);
      return { epoch, begin, end, sampleOffset: begin - batch * batchSize };
    }
    let sampleOffset = 0;
    for (let lower = 0; lower < rank; lower++) sampleOffset += lengthOf(this.#shareOfPart(lower, batch));
    return { epoch, ...this.#shareOfPart(rank, batch), sampleOffset };
  }

  /** Samples of the whole batch, over all ranks. */
  batchSamples(step: number): number {
    const { count, batchSize, worldSize, holdsAll } = this.#options;
    const batch = step % this.stepsPerEpoch;
    if (holdsAll) return Math.min(batchSize, count - batch * batchSize);
    let samples = 0;
    for (let rank = 0; rank < worldSize; rank++) samples += lengthOf(this.#shareOfPart(rank, batch));
    return samples;
  }

  /** The most samples that a share has. */
  get largestShare(): number {
    const { count, batchSize, worldSize, holdsAll } = this.#options;
    if (holdsAll) return Math.ceil(Math.min(batchSize, count) / worldSize);
    return Math.ceil(lengthOf(this.rows) / this.stepsPerEpoch);
  }

  #partOf(rank: number): RowSlice {
    return evenPart(this.#options.count, rank, this.#options.worldSize);
  }

  #shareOfPart(rank: number, batch: number): RowSlice {
    return evenPart(lengthOf(this.#partOf(rank)), batch, this.stepsPerEpoch);
  }

  #orderOf(epoch: number): Uint32Array {
    const { seed, shuffles = true } = this.#options;
    const key = shuffles ? epoch : 0;
    if (this.#order?.epoch !== key) {
      const count = lengthOf(this.rows);
      this.#order = { epoch: key, indices: shuffles ? epochOrder(count, seed, epoch) : inOrder(count) };
    }
    return this.#order.indices;
  }
}

function lengthOf({ begin, end }: RowSlice): number {
  return end - begin;
}
