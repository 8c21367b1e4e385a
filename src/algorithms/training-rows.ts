// A rank's batches, step by step: from rows in memory, or from rows that are streamed because they do not fit.

import type { Dataset } from "../data/dataset.ts";
import { RowStream, type StreamedRows } from "../data/row-stream.ts";
import { BatchReader, type BatchReaderOptions } from "./batch-reader.ts";
import type { Batch } from "./batch.ts";
import type { SampleSchedule } from "./sample-schedule.ts";

export class TrainingRows {
  readonly #train: Dataset | RowStream;
  readonly #schedule: SampleSchedule;
  readonly #options: BatchReaderOptions;
  /** Of the rows that are in memory. */
  #reader: { readonly data: Dataset; readonly batches: BatchReader } | undefined;

  /** `train`: the rows that the schedule speaks of. */
  constructor(train: Dataset | RowStream, schedule: SampleSchedule, options: BatchReaderOptions = {}) {
    this.#train = train;
    this.#schedule = schedule;
    this.#options = options;
  }

  /** This rank's share of the step's batch, valid until the next read; undefined if it has none. */
  async read(step: number, asTargets: boolean): Promise<Batch | undefined> {
    const { epoch, begin, end, sampleOffset } = this.#schedule.position(step);
    if (begin === end) return undefined;
    const rows: StreamedRows =
      this.#train instanceof RowStream
        ? await this.#train.read(epoch, begin, end)
        : { data: this.#train, firstRow: 0, ...this.#schedule.share(step) };
    const batch = this.#batches(rows).read(rows.order, rows.begin, rows.end, asTargets, epoch);
    return { ...batch, step, sampleOffset };
  }

  #batches({ data, firstRow: begin }: StreamedRows): BatchReader {
    if (this.#reader?.data !== data) {
      const firstRow = begin + (this.#options.firstRow ?? 0);
      this.#reader = { data, batches: new BatchReader(data, { ...this.#options, firstRow }) };
    }
    return this.#reader.batches;
  }
}
