// Rows in random order, whatever their number: each row draws a key, and rows come back sorted by it. What does not fit
// into memory is scattered over a spill file by ranges of keys, which are then sorted one after the other. The order is a
// function of the rows' order and the stream alone, so that it does not depend on the memory there is.

import { assert } from "../../errors.ts";
import { RandomStream } from "../../random.ts";
import { featureTypeOf } from "../feature-rows.ts";
import type { RowBlock } from "../rows.ts";
import { RowBuffer } from "./row-buffer.ts";
import { blockSizeBytes, type KeyedRows, type Segment, SpillFile } from "./spill-file.ts";

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

/** Apart from a run's seed, so that runs with different seeds are validated on the same rows. */
const SHUFFLE_SEED = 20180611;
const KEYS = 2 ** 32;
/** A segment that a disk reads in about the time that it takes to find it. */
const SEGMENT_BYTES = 64 * 2 ** 10;
const MAX_RANGES = 1024;

export class RowShuffle {
  readonly #options: ShuffleOptions;
  readonly #stream: RandomStream;
  #held: KeyedRows[] = [];
  #heldBytes = 0;
  #spilled: SpilledRows | undefined;
  #first: RowBlock | undefined;
  #count = 0;

  constructor(options: ShuffleOptions) {
    this.#options = options;
    this.#stream = new RandomStream(SHUFFLE_SEED, options.stream);
  }

  get count(): number {
    return this.#count;
  }

  /** Whether rows had to go to disk. */
  get isSpilled(): boolean {
    return this.#spilled !== undefined;
  }

  /** Takes a block over. @throws SltrainError "disk-full" */
  async add(block: RowBlock): Promise<void> {
    this.#first ??= block;
    const [type, wanted] = [featureTypeOf(block.features), featureTypeOf(this.#first.features)];
    assert(type === wanted, `a reader gave rows of ${type} after rows of ${wanted}`);
    const keys = new Uint32Array(block.count);
    for (let row = 0; row < block.count; row++) keys[row] = this.#stream.nextU32();
    this.#count += block.count;
    if (this.#spilled) return this.#spilled.add({ block, keys });
    this.#held.push({ block, keys });
    this.#heldBytes += blockSizeBytes(block) + keys.byteLength;
    if (this.#heldBytes > this.#options.memoryBytes) await this.#spill();
  }

  async #spill(): Promise<void> {
    const { memoryBytes, expectedBytes, spillFolder } = this.#options;
    const file = await SpillFile.create(expectedBytes, spillFolder);
    const rowBytes = this.#heldBytes / this.#count;
    // What is held and what waits to be written are there at once.
    const ranges = Math.floor(memoryBytes / 4 / Math.max(SEGMENT_BYTES, 2 * rowBytes));
    this.#spilled = new SpilledRows(file, Math.max(2, Math.min(MAX_RANGES, ranges)));
    for (let held = this.#held.shift(); held; held = this.#held.shift()) await this.#spilled.add(held);
  }

  /** Calls `take` for every row, in random order; once. What it returns is waited for. */
  async forEachRow(take: (block: RowBlock, row: number) => Promise<void> | undefined): Promise<void> {
    if (!this.#spilled) {
      const held = this.#held;
      this.#held = [];
      return sorted(held, take);
    }
    for (let range = 0; range < this.#spilled.ranges; range++) {
      await sorted(await this.#spilled.read(range, this.#first!), take);
    }
  }

  async close(): Promise<void> {
    await this.#spilled?.file.close();
  }
}

/** Rows in a spill file, by ranges of their keys. */
class SpilledRows {
  readonly file: SpillFile;
  readonly ranges: number;
  readonly #pending: readonly PendingRows[];
  readonly #segments: Segment[][];

  constructor(file: SpillFile, ranges: number) {
    this.file = file;
    this.ranges = ranges;
    this.#pending = Array.from({ length: ranges }, () => new PendingRows());
    this.#segments = Array.from({ length: ranges }, () => []);
  }

  async add({ block, keys }: KeyedRows): Promise<void> {
    for (let row = 0; row < block.count; row++) {
      const key = keys[row]!;
      const range = Math.floor((key * this.ranges) / KEYS);
      const pending = this.#pending[range]!;
      if (pending.append(block, row, key)) {
        this.#segments[range]!.push(await this.file.append(pending.take()));
      }
    }
  }

  /** All rows of a range, in the order in which they came. */
  async read(range: number, like: RowBlock): Promise<KeyedRows[]> {
    const all: KeyedRows[] = [];
    for (const segment of this.#segments[range]!) all.push(await this.file.read(segment, like));
    const pending = this.#pending[range]!;
    if (pending.count > 0) all.push(pending.take());
    return all;
  }
}

/** The next segment of a range. */
class PendingRows {
  readonly #rows = new RowBuffer(SEGMENT_BYTES);
  #keys = new Uint32Array(64);

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

async function sorted(
  all: readonly KeyedRows[],
  take: (block: RowBlock, row: number) => Promise<void> | undefined,
): Promise<void> {
  const count = all.reduce((sum, { keys }) => sum + keys.length, 0);
  const keys = new Uint32Array(count);
  const blockOf = new Uint32Array(count);
  const rowOf = new Uint32Array(count);
  let at = 0;
  for (const [index, { block, keys: own }] of all.entries()) {
    keys.set(own, at);
    for (let row = 0; row < block.count; row++, at++) {
      blockOf[at] = index;
      rowOf[at] = row;
    }
  }
  for (const i of orderByKey(keys)) {
    const waiting = take(all[blockOf[i]!]!.block, rowOf[i]!);
    if (waiting) await waiting;
  }
}

/** Indices of `keys` in rising order, equal ones in the order in which they stand: a radix sort by 16 bits at a time. */
export function orderByKey(keys: Uint32Array): Uint32Array {
  let order = Uint32Array.from(keys, (_, i) => i);
  for (const shift of [0, 16]) {
    const starts = new Uint32Array(65_537);
    for (const key of keys) starts[((key >>> shift) & 0xffff) + 1]!++;
    for (let digit = 0; digit < 65_536; digit++) starts[digit + 1]! += starts[digit]!;
    const next = new Uint32Array(keys.length);
    for (const i of order) next[starts[(keys[i]! >>> shift) & 0xffff]!++] = i;
    order = next;
  }
  return order;
}
