// Rows of a split that do not fit into memory, streamed from storage beside compute: a ring of two windows, one that is
// read and the next that is coming (Carreira et al., "Cirrus: a serverless framework for end-to-end ML workflows",
// SoCC 2019, section 4.2: workers prefetch minibatches). Its memory is bounded, its order that of stream-order.ts.

import { setImmediate } from "node:timers/promises";
import { assert } from "../errors.ts";
import type { Storage } from "../storage/storage.ts";
import type { Dataset, Split } from "./dataset.ts";
import type { DataManifest } from "./manifest.ts";
import { inOrder, type RowSlice } from "./order.ts";
import {
  allocateRows,
  blockBuffers,
  largestBlockBytes,
  loadBlocks,
  overlapping,
  type LoadMemory,
  type RowTarget,
  type WantedBlock,
} from "./reader.ts";
import { type RowWindow, windowOrder, windowsOf } from "./stream-order.ts";

export interface RowStreamOptions {
  readonly storage: Storage;
  readonly manifest: DataManifest;
  readonly split: Split;
  /** Of the split: what is streamed once in each epoch. */
  readonly rows: RowSlice;
  /** Of their order; without it all epochs have them as they are stored. */
  readonly seed?: number | undefined;
  readonly epochs: number;
  readonly memoryBytes: number;
}

/** Rows order[begin..end) of `data`. */
export interface StreamedRows extends RowSlice {
  /** Of the epoch's order: a number that no other row has is this one and the row's in `data`. */
  readonly firstRow: number;
  readonly data: Dataset;
  readonly order: Uint32Array;
}

/** While a window is loaded: two stored blocks and one decoded. */
const LOADING_BLOCKS = 3;
const WINDOWS = 2;

/** The least memory in which rows can be streamed. */
export function leastStreamBytes(manifest: DataManifest, split: Split): number {
  return (LOADING_BLOCKS + WINDOWS) * largestBlockBytes(manifest, split);
}

interface Loaded {
  readonly epoch: number;
  readonly window: RowWindow;
  readonly order: Uint32Array;
  readonly data: Dataset;
}

interface Coming {
  readonly epoch: number;
  readonly index: number;
  readonly loaded: Promise<Loaded>;
}

/** Memory for rows of several windows. */
interface Across {
  readonly capacity: number;
  readonly rows: RowTarget;
}

export class RowStream {
  /** Time for which reads had to wait for rows. */
  waitedMs = 0;
  readonly #options: RowStreamOptions;
  readonly #parts: readonly WantedBlock[];
  readonly #blocksPerWindow: number;
  #windows: { readonly epoch: number; readonly windows: readonly RowWindow[] } | undefined;
  #current: Loaded | undefined;
  #coming: Coming | undefined;
  #across: Across | undefined;
  /** The last one was loaded last: the first is free when the next load begins. */
  #memory: readonly LoadMemory[];

  /** Nothing is read yet. `memoryBytes` is at least `leastStreamBytes`. */
  constructor(options: RowStreamOptions) {
    const { manifest, split, rows, memoryBytes } = options;
    assert(memoryBytes >= leastStreamBytes(manifest, split), `${memoryBytes} bytes to stream rows`);
    this.#options = options;
    this.#parts = overlapping(manifest.blocks[split], rows);
    const blocks = Math.floor(memoryBytes / largestBlockBytes(manifest, split));
    this.#blocksPerWindow = Math.floor((blocks - LOADING_BLOCKS) / WINDOWS);
    this.#memory = this.#allocate();
  }

  /** Once: what is thrown away with each window would be collected too late. */
  #allocate(): readonly LoadMemory[] {
    const { manifest, split } = this.#options;
    const inWindow = Math.min(this.#blocksPerWindow, this.#parts.length);
    const most = (of: (part: WantedBlock) => number) =>
      inWindow * this.#parts.reduce((largest, part) => Math.max(largest, of(part)), 0);
    const rows = most(({ take }) => take.end - take.begin);
    const nonZeros = most(({ block }) => block.nonZeros);
    const buffers = blockBuffers(manifest, split);
    return Array.from({ length: WINDOWS }, () => ({ rows: allocateRows(manifest, rows, nonZeros), buffers }));
  }

  /**
   * Positions [begin, end) of the epoch's order, valid until the next read. Waits only for rows that have not come yet.
   * @throws SltrainError "data-block-missing" and "data-block-damaged"
   */
  async read(epoch: number, begin: number, end: number): Promise<StreamedRows> {
    const began = performance.now();
    // Steps on this thread may leave what has come no time to be taken; a turn of the event loop is enough.
    await setImmediate();
    const first = await this.#windowAt(epoch, begin);
    if (end <= first.window.end) {
      this.waitedMs += performance.now() - began;
      const { data, order, window } = first;
      const { begin: firstRow } = window;
      return { data, order, firstRow, begin: begin - firstRow, end: end - firstRow };
    }
    const joined = await this.#readAcross(epoch, begin, end);
    this.waitedMs += performance.now() - began;
    return joined;
  }

  /** Rows of several windows, copied: a window goes when the next one is asked for. */
  async #readAcross(epoch: number, begin: number, end: number): Promise<StreamedRows> {
    const count = end - begin;
    const { rows } = (this.#across = this.#roomFor(count));
    let dataset: Dataset | undefined;
    for (let at = begin; at < end;) {
      const { data, order, window } = await this.#windowAt(epoch, at);
      dataset ??= data;
      const { begin: firstRow } = window;
      const until = Math.min(end, window.end);
      for (const take of runsOf(order, { begin: at - firstRow, end: until - firstRow })) {
        rows.copy(data, take, at - begin);
        at += take.end - take.begin;
      }
    }
    const data = { ...dataset!, count, ...rows.take(count) };
    return { data, firstRow: begin, order: inOrder(count), begin: 0, end: count };
  }

  /** Kept from read to read: what is thrown away with each would be collected too late. */
  #roomFor(count: number): Across {
    if (this.#across && this.#across.capacity >= count) return this.#across;
    return { capacity: count, rows: allocateRows(this.#options.manifest, count, 0) };
  }

  /** The window with this position, which is then the current one, and the next one comes. */
  async #windowAt(epoch: number, position: number): Promise<Loaded> {
    const current = this.#current;
    if (current?.epoch === epoch && current.window.begin <= position && position < current.window.end) {
      return current;
    }
    const { index } = this.#windowsOf(epoch).find((window) => position < window.end)!;
    const coming = this.#coming;
    this.#current = undefined;
    const isComing = coming?.epoch === epoch && coming.index === index;
    // What was coming for nothing is let come before more is asked for: memory has room for one.
    if (!isComing) await coming?.loaded.catch(() => undefined);
    const loaded = isComing ? coming.loaded : this.#load(epoch, index);
    this.#coming = undefined;
    this.#current = await loaded;
    this.#prefetch(epoch, index + 1);
    return this.#current;
  }

  #prefetch(epoch: number, index: number): void {
    const isLast = index === this.#windowsOf(epoch).length;
    const next = isLast ? { epoch: epoch + 1, index: 0 } : { epoch, index };
    if (next.epoch === this.#options.epochs) return;
    const loaded = this.#load(next.epoch, next.index);
    // Whoever reads it hears of its failure; perhaps nobody does.
    loaded.catch(() => undefined);
    this.#coming = { ...next, loaded };
  }

  async #load(epoch: number, index: number): Promise<Loaded> {
    const { storage, manifest, split, seed } = this.#options;
    const window = this.#windowsOf(epoch)[index]!;
    const { wanted, begin, end } = window;
    const [memory, ...others] = this.#memory;
    this.#memory = [...others, memory!];
    const data = await loadBlocks(storage, manifest, split, { count: end - begin, wanted }, memory);
    return { epoch, window, data, order: windowOrder(window, { seed, epoch }) };
  }

  #windowsOf(epoch: number): readonly RowWindow[] {
    if (this.#windows?.epoch !== epoch) {
      const { seed } = this.#options;
      this.#windows = { epoch, windows: windowsOf(this.#parts, this.#blocksPerWindow, { seed, epoch }) };
    }
    return this.#windows.windows;
  }
}

/** Positions of `order` as rows that follow each other. */
function* runsOf(order: Uint32Array, { begin, end }: RowSlice): Generator<RowSlice> {
  for (let at = begin; at < end;) {
    const first = order[at]!;
    let length = 1;
    while (at + length < end && order[at + length] === first + length) length++;
    yield { begin: first, end: first + length };
    at += length;
  }
}
