// The rows of a rank whose steps are over all of them: in parts of a fixed size, in the order of the data, whether they lie in
// memory or are streamed because they do not fit. So sums over them have the same bits either way.

import { rowElements } from "../data/dataset.ts";
import { inOrder } from "../data/order.ts";
import { RowStream } from "../data/row-stream.ts";
import { batchNonZeros } from "../models/sparse-input.ts";
import type { Topology } from "../models/topology.ts";
import { BatchReader, type BatchReaderOptions, type ReadableRows } from "./batch-reader.ts";
import type { Batch } from "./batch.ts";

/** Rows as a program reads them, at a time: large enough that nothing but they count, small beside any function. */
const PART_BYTES = 2 ** 24;
const ELEMENT_BYTES = 4;

/** Rows of a part, of `count` that a rank has. */
export function partRows(topology: Topology, count: number): number {
  const elements = topology.sparse ? 2 * batchNonZeros(topology, 1) : rowElements(topology.inputShape);
  return Math.min(count, Math.max(1, Math.floor(PART_BYTES / (elements * ELEMENT_BYTES))));
}

export interface OwnRowsOptions extends BatchReaderOptions {
  /** Of a part; the last one has what is left. */
  readonly partRows: number;
  /** Whether a device keeps all parts, so that each is read once. */
  readonly stays: boolean;
  /** Whether labels are f32 targets. */
  readonly asTargets: boolean;
  /** Of all ranks' rows: the first of these. */
  readonly firstRow: number;
}

export class OwnRows {
  readonly count: number;
  /** How many there are. */
  readonly parts: number;
  readonly stays: boolean;
  readonly #rows: ReadableRows | RowStream;
  readonly #options: OwnRowsOptions;
  readonly #order: Uint32Array;
  #pass = -1;
  #reader: BatchReader | undefined;

  /** `rows`: `count` of them; streamed ones as they are stored. */
  constructor(rows: ReadableRows | RowStream, count: number, options: OwnRowsOptions) {
    this.count = count;
    this.parts = Math.ceil(count / options.partRows);
    this.stays = options.stays;
    this.#rows = rows;
    this.#options = options;
    this.#order = rows instanceof RowStream ? new Uint32Array() : inOrder(count);
  }

  /** Part by part, from the first; valid until the next read. Throws what `RowStream.read` throws. */
  async read(part: number, step: number): Promise<Batch> {
    const { partRows, firstRow, asTargets } = this.#options;
    const begin = part * partRows;
    const end = Math.min(begin + partRows, this.count);
    // A stream goes on from the last rows to the first.
    if (part === 0) this.#pass++;
    const rows =
      this.#rows instanceof RowStream
        ? await this.#rows.read(this.#pass, begin, end)
        : { data: this.#rows, order: this.#order, begin, end };
    const batch = this.#batches(rows.data).read(rows.order, rows.begin, rows.end, asTargets);
    return { ...batch, step, sampleOffset: firstRow + begin };
  }

  #batches(data: ReadableRows): BatchReader {
    this.#reader ??= new BatchReader(data, this.#options);
    this.#reader.turnTo(data);
    return this.#reader;
  }
}
