// Rows in random order, whatever their number: each row draws a key, and rows come back sorted by it. Many rows are scattered
// by ranges of keys, into a spill file where they do not fit into memory; ranges are then sorted one after the other. The order is a
// function of the rows' order and the stream alone, so that it does not depend on the memory there is.

import { assert } from "../../errors.ts";
import { RandomStream } from "../../random.ts";
import { featureTypeOf, freeMemory, isSparse, partsOf } from "../feature-rows.ts";
import type { RowBlock } from "../rows.ts";
import type { ImportThreads } from "../threads/import-threads.ts";
import { inOrder } from "../threads/in-order.ts";
import { RowBuffer } from "./row-buffer.ts";
import { sortedPlaces } from "./sort-rows.ts";
import { blockSizeBytes, type KeyedRows, type RowForm, type Segment, SpillFile } from "./spill-file.ts";

export interface ShuffleOptions {
  /** Names the stream of keys. */
  readonly stream: string;
  /** Rows in memory beyond this are spilled. */
  readonly memoryBytes: number;
  /** The least that is to be expected on disk if rows are spilled. */
  readonly expectedBytes: number;
  /** Default: the system's folder for temporary files. */
  readonly spillFolder?: string | undefined;
}

/** Of rows [begin, end) of a block. */
type TakeRows = (block: RowBlock, begin: number, end: number) => Promise<void> | undefined;

export interface GatherOptions {
  /** Where ranges of rows that are in memory are sorted. Default: on this thread. */
  readonly threads?: ImportThreads | undefined;
  /** Sparse rows are wanted as dense ones of f32: a thread makes them that, where there is one. */
  readonly denseWidth?: number | undefined;
}

/** Apart from a run's seed, so that runs with different seeds are validated on the same rows. */
const SHUFFLE_SEED = 20180611;
const KEYS = 2 ** 32;
/** A segment that a disk reads in about the time that it takes to find it. */
const SPILLED_SEGMENT_BYTES = 32 * 2 ** 10;
/** Each is memory of its own, to be had and to be given to a thread. */
const HELD_SEGMENT_BYTES = 256 * 2 ** 10;
const MAX_RANGES = 1024;
/** Rows that stay in memory are scattered too, from so many on: to gather a row from just anywhere misses all caches. */
const LEAST_SCATTERED_BYTES = 32 * 2 ** 20;
/** Of the source, whose rows then fit a processor's cache. */
const RANGE_BYTES = 8 * 2 ** 20;

export class RowShuffle {
  readonly #options: ShuffleOptions;
  readonly #stream: RandomStream;
  #held: KeyedRows[] = [];
  #heldBytes = 0;
  #scattered: ScatteredRows | undefined;
  #form: RowForm | undefined;
  #count = 0;
  #nonZeros = 0;

  constructor(options: ShuffleOptions) {
    this.#options = options;
    this.#stream = new RandomStream(SHUFFLE_SEED, options.stream);
    const { expectedBytes, memoryBytes } = options;
    if (expectedBytes > LEAST_SCATTERED_BYTES && expectedBytes <= memoryBytes)
      this.#scattered = new ScatteredRows(
        Math.min(MAX_RANGES, Math.ceil(expectedBytes / RANGE_BYTES)),
        HELD_SEGMENT_BYTES,
      );
  }

  get count(): number {
    return this.#count;
  }

  /** Of sparse rows. */
  get nonZeros(): number {
    return this.#nonZeros;
  }

  /** Whether rows had to go to disk. */
  get isSpilled(): boolean {
    return this.#scattered?.file !== undefined;
  }

  /** Takes a block over. @throws SltrainError "disk-full" */
  async add(block: RowBlock): Promise<void> {
    const type = featureTypeOf(block.features);
    this.#form ??= { type, hasLabels: block.labels.length > 0 };
    const wanted = this.#form.type;
    assert(type === wanted, `a reader gave rows of ${type} after rows of ${wanted}`);
    const keys = new Uint32Array(block.count);
    for (let row = 0; row < block.count; row++) keys[row] = this.#stream.nextU32();
    this.#count += block.count;
    if (isSparse(block.features)) this.#nonZeros += block.features.values.length;
    if (this.#scattered) await this.#scattered.add({ block, keys });
    else this.#held.push({ block, keys });
    this.#heldBytes += blockSizeBytes(block) + keys.byteLength;
    if (this.#heldBytes > this.#options.memoryBytes && !this.isSpilled) await this.#spill();
  }

  async #spill(): Promise<void> {
    const { memoryBytes, expectedBytes, spillFolder } = this.#options;
    const file = await SpillFile.create(expectedBytes, spillFolder);
    if (this.#scattered) {
      await this.#scattered.spillTo(file);
      return;
    }
    const rowBytes = this.#heldBytes / this.#count;
    // What is held and what waits to be written are there at once.
    const ranges = Math.floor(memoryBytes / 4 / Math.max(SPILLED_SEGMENT_BYTES, 2 * rowBytes));
    this.#scattered = new ScatteredRows(Math.max(2, Math.min(MAX_RANGES, ranges)), SPILLED_SEGMENT_BYTES);
    await this.#scattered.spillTo(file);
    for (let held = this.#held.shift(); held; held = this.#held.shift()) await this.#scattered.add(held);
  }

  /** Calls `take` for run after run of rows in random order, each row once. What it returns is waited for. */
  async forEachRun(take: TakeRows, { threads, denseWidth }: GatherOptions = {}): Promise<void> {
    const scattered = this.#scattered;
    if (!scattered) {
      await eachSorted(this.#held.splice(0), take);
      return;
    }
    if (threads && !this.isSpilled) {
      const ranges = scattered.takeHeld();
      const sort = (rows: readonly KeyedRows[]) => threads.sort(rows, denseWidth);
      for (const [, coming] of inOrder(ranges, 2 * threads.count, sort)) {
        const block = await coming;
        await take(block, 0, block.count);
        freeBlock(block);
      }
      return;
    }
    for (let range = 0; range < scattered.ranges; range++) {
      const rows = await scattered.take(range, this.#form!);
      await eachSorted(rows, take);
      rows.forEach(freeRows);
    }
  }

  async close(): Promise<void> {
    await this.#scattered?.file?.close();
  }
}

/** Rows by ranges of their keys, each range in segments: in memory, or in a file. */
class ScatteredRows {
  readonly ranges: number;
  readonly #pending: readonly PendingRows[];
  readonly #segments: (Segment | KeyedRows)[][];
  #file: SpillFile | undefined;

  constructor(ranges: number, segmentBytes: number) {
    this.ranges = ranges;
    this.#pending = Array.from({ length: ranges }, () => new PendingRows(segmentBytes));
    this.#segments = Array.from({ length: ranges }, () => []);
  }

  get file(): SpillFile | undefined {
    return this.#file;
  }

  /** Segments go to `file` from now on, with those that there are. */
  async spillTo(file: SpillFile): Promise<void> {
    this.#file = file;
    for (const segments of this.#segments) {
      for (const [i, segment] of segments.entries())
        if ("block" in segment) segments[i] = await moved(segment, file);
    }
  }

  /** Copies the rows: their memory is free again. */
  async add({ block, keys }: KeyedRows): Promise<void> {
    for (let row = 0; row < block.count; row++) {
      const key = keys[row]!;
      const range = Math.floor((key * this.ranges) / KEYS);
      const pending = this.#pending[range]!;
      if (!pending.append(block, row, key)) continue;
      const segment = pending.take();
      this.#segments[range]!.push(this.#file ? await moved(segment, this.#file) : segment);
    }
    block.release?.();
  }

  /** All rows of a range, in the order in which they came; once. */
  async take(range: number, form: RowForm): Promise<KeyedRows[]> {
    const all: KeyedRows[] = [];
    for (const segment of this.#segments[range]!.splice(0))
      all.push("block" in segment ? segment : await this.#file!.read(segment, form));
    this.#takePending(range, all);
    return all;
  }

  /** As `take`, range after range, of rows that are all in memory; ranges without rows are left out. */
  *takeHeld(): Generator<KeyedRows[]> {
    for (let range = 0; range < this.ranges; range++) {
      const all = this.#segments[range]!.splice(0) as KeyedRows[];
      this.#takePending(range, all);
      if (all.length > 0) yield all;
    }
  }

  #takePending(range: number, all: KeyedRows[]): void {
    const pending = this.#pending[range]!;
    if (pending.count > 0) all.push(pending.take());
  }
}

async function moved(rows: KeyedRows, file: SpillFile): Promise<Segment> {
  const segment = await file.append(rows);
  freeRows(rows);
  return segment;
}

function freeRows({ keys, block }: KeyedRows): void {
  freeMemory([keys]);
  freeBlock(block);
}

function freeBlock({ labels, features }: RowBlock): void {
  freeMemory([labels, ...partsOf(features)]);
}

/** The next segment of a range. */
class PendingRows {
  readonly #rows: RowBuffer;
  #keys = new Uint32Array(64);

  constructor(segmentBytes: number) {
    this.#rows = new RowBuffer(segmentBytes);
  }

  get count(): number {
    return this.#rows.count;
  }

  append(block: RowBlock, row: number, key: number): boolean {
    if (this.count === this.#keys.length) {
      const grown = new Uint32Array(2 * this.count);
      grown.set(this.#keys);
      this.#keys = grown;
    }
    this.#keys[this.count] = key;
    return this.#rows.append(block, row);
  }

  take(): KeyedRows {
    const keys = this.#keys.slice(0, this.count);
    return { keys, block: this.#rows.take() };
  }
}

async function eachSorted(all: readonly KeyedRows[], take: TakeRows): Promise<void> {
  const { blockOf, rowOf } = sortedPlaces(all);
  for (let k = 0; k < rowOf.length; k++) {
    const row = rowOf[k]!;
    const waiting = take(all[blockOf[k]!]!.block, row, row + 1);
    if (waiting) await waiting;
  }
}
