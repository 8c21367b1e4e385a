// Rows of one split into blocks in storage, in the order in which they come. Where a block ends depends on the rows alone.

import type { Hash } from "node:crypto";
import { assert } from "../../errors.ts";
import { sha256 } from "../../sha256.ts";
import type { Storage } from "../../storage/storage.ts";
import { encodeBlock } from "../block.ts";
import type { Split } from "../dataset.ts";
import { bytesOf, isSparse, partsOf } from "../feature-rows.ts";
import { blockKey, type DataBlock } from "../manifest.ts";
import type { LabelMeaning, RowBlock } from "../rows.ts";
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
}

export class BlockWriter {
  readonly blocks: DataBlock[] = [];
  /** By class index. */
  readonly classCounts: number[];
  maxRowNonZeros = 0;
  count = 0;
  readonly #options: BlockWriterOptions;
  readonly #rows = new RowBuffer(BLOCK_BYTES);
  readonly #classOf: ReadonlyMap<number, number>;
  readonly #hash: Hash = sha256();

  constructor(options: BlockWriterOptions) {
    this.#options = options;
    const values = options.labels.kind === "classes" ? options.labels.values : [];
    this.#classOf = new Map(values.map((value, index) => [value, index]));
    this.classCounts = values.map(() => 0);
  }

  /** A promise where a block is full, which is to be waited for before the next row. */
  append(block: RowBlock, row: number): Promise<void> | undefined {
    return this.#rows.append(block, row) ? this.#write() : undefined;
  }

  /** Writes what is left. Returns the sha256 of all rows (hex). */
  async finish(): Promise<string> {
    if (this.#rows.count > 0) await this.#write();
    return this.#hash.digest("hex");
  }

  async #write(): Promise<void> {
    const { storage, id, split, moments } = this.#options;
    const { features, labels: raw, count } = this.#rows.take();
    const labels = this.#stored(raw);
    moments?.add(features, count);
    for (const part of [labels, ...partsOf(features)]) this.#hash.update(bytesOf(part));
    if (isSparse(features)) {
      const { rowStarts } = features;
      for (let row = 0; row < count; row++) {
        this.maxRowNonZeros = Math.max(this.maxRowNonZeros, rowStarts[row + 1]! - rowStarts[row]!);
      }
    }
    const { parts, rows, bytes, storedBytes, nonZeros, crc32 } = encodeBlock(
      { features, labels },
      count,
      this.#options.rowElements,
    );
    const index = this.blocks.length;
    const key = this.#options.keyOf?.(index) ?? blockKey(id, split, index);
    // If it exists, it holds the same rows: the data set's id names all that they depend on.
    await storage.put(key, parts, { ifAbsent: true });
    this.blocks.push({ key, rows, bytes, storedBytes, nonZeros, crc32 });
    this.count += count;
  }

  #stored(raw: Float64Array): Int32Array | Float32Array {
    if (this.#options.labels.kind !== "classes") return Float32Array.from(raw);
    return Int32Array.from(raw, (value) => {
      const index = this.#classOf.get(value);
      assert(index !== undefined, `a reader gave the label ${value}, which is none of its classes`);
      this.classCounts[index]!++;
      return index;
    });
  }
}
