// Rows of one split into blocks in storage, in the order in which they come. Where a block ends depends on the rows alone.

import type { Hash } from "node:crypto";
import { assert } from "../../errors.ts";
import { sha256 } from "../../sha256.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Split } from "../dataset.ts";
import { bytesOf, partsOf } from "../feature-rows.ts";
import { blockKey, type DataBlock } from "../manifest.ts";
import type { LabelMeaning, RowBlock } from "../rows.ts";
import type { ImportThreads } from "../threads/import-threads.ts";
import { packBlock, type PackedBlock, type PackPlan } from "./pack-block.ts";
import { RowBuffer } from "./row-buffer.ts";
import type { Moments } from "./statistics.ts";

/** Large enough that a get's latency does not count, small enough that a worker's spare memory does. */
const BLOCK_BYTES = 4 * 2 ** 20;

export interface BlockWriterOptions {
  readonly storage: Storage;
  readonly id: string;
  readonly split: Split;
  readonly labels: LabelMeaning;
  /** Features of a row, stored or not. */
  readonly rowElements: number;
  /** Of the writer's block of that number. Default: as `blockKey` has it. */
  readonly keyOf?: ((index: number) => string) | undefined;
  /** Told of every row's features. */
  readonly moments?: Moments | undefined;
  /** Where blocks are packed, some at once. Default: on this thread, one after the other. */
  readonly threads?: ImportThreads | undefined;
  /** Sparse rows are stored dense, as f32. */
  readonly fillsRows?: boolean | undefined;
}

export class BlockWriter {
  readonly blocks: DataBlock[] = [];
  /** By class index. */
  readonly classCounts: number[];
  maxRowNonZeros = 0;
  count = 0;
  readonly #options: BlockWriterOptions;
  readonly #rows: RowBuffer;
  readonly #plan: PackPlan;
  /** Blocks that are being packed, in their order. */
  readonly #coming: Promise<PackedBlock>[] = [];
  readonly #classOf: ReadonlyMap<number, number>;
  readonly #hash: Hash = sha256();

  constructor(options: BlockWriterOptions) {
    this.#options = options;
    const { rowElements, moments, fillsRows = false } = options;
    this.#rows = new RowBuffer(BLOCK_BYTES, fillsRows ? rowElements : undefined);
    this.#plan = { rowElements, moments: !moments ? "none" : moments.columns > 1 ? "per-feature" : "all" };
    const values = options.labels.kind === "classes" ? options.labels.values : [];
    this.#classOf = new Map(values.map((value, index) => [value, index]));
    this.classCounts = values.map(() => 0);
  }

  /** A promise where a block is full, which is to be waited for before the next row. */
  append(block: RowBlock, row: number): Promise<void> | undefined {
    return this.#rows.append(block, row) ? this.#write() : undefined;
  }

  /** As `append` of rows [begin, end), one after the other. */
  appendRun(block: RowBlock, begin: number, end: number): Promise<void> | undefined {
    return end - begin === 1 ? this.append(block, begin) : this.#appendMany(block, begin, end);
  }

  async #appendMany(block: RowBlock, begin: number, end: number): Promise<void> {
    for (let row = begin; row < end;) {
      const { next, isFull } = this.#rows.appendRun(block, row, end);
      if (isFull) await this.#write();
      row = next;
    }
  }

  /** Writes what is left. Returns the sha256 of all rows (hex). */
  async finish(): Promise<string> {
    if (this.#rows.count > 0) await this.#write();
    for (const packed of this.#coming.splice(0)) await this.#store(await packed);
    return this.#hash.digest("hex");
  }

  async #write(): Promise<void> {
    const { threads } = this.#options;
    const { features, labels: raw, count } = this.#rows.take();
    const rows = { features, labels: this.#stored(raw) };
    for (const part of [rows.labels, ...partsOf(features)]) this.#hash.update(bytesOf(part));
    if (!threads) {
      await this.#store(packBlock(rows, count, this.#plan));
      return;
    }
    const coming = threads.pack(rows, count, this.#plan);
    // It is waited for some blocks later, and not at all if an earlier one fails.
    coming.catch(() => undefined);
    this.#coming.push(coming);
    if (this.#coming.length >= threads.count) await this.#store(await this.#coming.shift()!);
  }

  async #store({ block, moments, maxRowNonZeros }: PackedBlock): Promise<void> {
    const { storage, id, split } = this.#options;
    const { parts, rows, bytes, storedBytes, nonZeros, crc32 } = block;
    const index = this.blocks.length;
    const key = this.#options.keyOf?.(index) ?? blockKey(id, split, index);
    // If it exists, it holds the same rows: the data set's id names all that they depend on.
    await storage.put(key, parts, { ifAbsent: true });
    this.blocks.push({ key, rows, bytes, storedBytes, nonZeros, crc32 });
    this.count += rows;
    this.maxRowNonZeros = Math.max(this.maxRowNonZeros, maxRowNonZeros);
    if (moments) this.#options.moments!.merge(moments);
  }

  #stored(raw: Float64Array): Int32Array | Float32Array {
    if (this.#options.labels.kind !== "classes") return Float32Array.from(raw);
    const classes = new Int32Array(raw.length);
    for (let row = 0; row < raw.length; row++) {
      const index = this.#classOf.get(raw[row]!);
      assert(index !== undefined, `a reader gave the label ${raw[row]}, which is none of its classes`);
      this.classCounts[index]!++;
      classes[row] = index;
    }
    return classes;
  }
}
