// Loads a split from storage into memory: a worker's side of the partitions. Knows blocks and manifests, no sources.

import { SltrainError } from "../errors.ts";
import type { Storage } from "../storage/storage.ts";
import { type BlockRows, decodeBlock, maxObjectBytes } from "./block.ts";
import { datasetInfo, rowElements, type Dataset, type Split } from "./dataset.ts";
import { bytesOf, denseArray, VALUE_BYTES } from "./feature-rows.ts";
import { LABEL_TYPES, rewriteSuggestion, type DataBlock, type DataManifest } from "./manifest.ts";
import type { RowSlice } from "./order.ts";
import type { CsrRows, DenseRows, FeatureRows } from "./rows.ts";

export interface ReadOptions {
  /** Refuse to load more than this; the default is no limit. */
  readonly memoryLimitBytes?: number;
  /** Load these rows of the split only (a rank's `evenPart`); blocks outside are not fetched. The default is all. */
  readonly rows?: RowSlice;
}

/** Memory that `openPartitions` needs: the rows, one decoded block and two stored ones. */
export function loadBytes(manifest: DataManifest, split: Split, rows = allRows(manifest, split)): number {
  return rowsBytes(manifest, split, rows) + 3 * largestBlockBytes(manifest, split);
}

/** Of the rows in memory; of sparse ones those of whole blocks. */
function rowsBytes(
  { featureType, featureShape, task, blocks }: DataManifest,
  split: Split,
  rows: RowSlice,
): number {
  if (featureType === "csr")
    return overlapping(blocks[split], rows).reduce((sum, { block }) => sum + block.bytes, 0);
  const labelBytes = LABEL_TYPES[task] === "none" ? 0 : 4;
  return (rows.end - rows.begin) * (rowElements(featureShape) * VALUE_BYTES[featureType] + labelBytes);
}

/**
 * Loads rows of a split. The next block is fetched while one is decoded, so that memory stays near the rows' own size.
 * @throws SltrainError "data-too-large" beyond `memoryLimitBytes`, "data-block-missing" and "data-block-damaged" naming the
 * block's key.
 */
export async function openPartitions(
  storage: Storage,
  manifest: DataManifest,
  split: Split,
  options: ReadOptions = {},
): Promise<Dataset> {
  const { rows = allRows(manifest, split), memoryLimitBytes = Infinity } = options;
  refuseTooLarge(manifest, split, rows, memoryLimitBytes);
  const count = rows.end - rows.begin;
  return loadBlocks(storage, manifest, split, { count, wanted: overlapping(manifest.blocks[split], rows) });
}

/** What loading takes beside the manifest: to be used for one load after the other. */
export interface LoadMemory {
  readonly rows: RowTarget;
  /** For stored blocks. */
  readonly buffers: readonly [Uint8Array, Uint8Array];
}

export function blockBuffers(manifest: DataManifest, split: Split): LoadMemory["buffers"] {
  const bytes = maxObjectBytes(largestBlockBytes(manifest, split));
  return [new Uint8Array(bytes), new Uint8Array(bytes)];
}

/**
 * `count` rows that are parts of blocks, in `memory`, which has room for them. The next block is fetched while one is decoded.
 * @throws SltrainError "data-block-missing" and "data-block-damaged" naming the block's key.
 */
export async function loadBlocks(
  storage: Storage,
  manifest: DataManifest,
  split: Split,
  { count, wanted }: { readonly count: number; readonly wanted: readonly WantedBlock[] },
  memory?: LoadMemory,
): Promise<Dataset> {
  const nonZeros = wanted.reduce((sum, { block }) => sum + block.nonZeros, 0);
  const target = memory?.rows ?? allocateRows(manifest, count, nonZeros);
  const fetch = blockFetcher(storage, manifest, memory?.buffers ?? blockBuffers(manifest, split));
  let coming = fetch(wanted[0]?.block);
  for (const [index, { block, take, at }] of wanted.entries()) {
    const object = await coming;
    coming = fetch(wanted[index + 1]?.block);
    target.copy(decoded(object, block, storage, manifest), take, at);
  }
  return { ...datasetInfo(manifest), count, ...target.take(count) };
}

/** @throws SltrainError "data-block-damaged" */
function decoded(object: Uint8Array, block: DataBlock, storage: Storage, manifest: DataManifest): BlockRows {
  const { featureType, featureShape, task, id } = manifest;
  const facts = {
    ...{ ...block, rowElements: rowElements(featureShape) },
    ...{ featureType, labelType: LABEL_TYPES[task] },
  };
  return decodeBlock(object, facts, `${block.key} in ${storage.uri}`, [rewriteSuggestion(storage, id)]);
}

/** Memory for rows that are copied into it, one run after the other. */
export interface RowTarget {
  /** Rows [take.begin, take.end) of a block become rows `at`…; in rising order. */
  copy(from: BlockRows, take: RowSlice, at: number): void;
  /** The first `count` rows, as views. */
  take(count: number): BlockRows;
}

/** Of the memory of sparse rows that are more than was expected. */
const GROWTH = 1.5;

/** @param nonZeros that sparse rows are expected to have together: more are made room for */
export function allocateRows(
  manifest: Pick<DataManifest, "task" | "featureType" | "featureShape">,
  count: number,
  nonZeros: number,
): RowTarget {
  const labelType = LABEL_TYPES[manifest.task];
  const labels =
    labelType === "f32" ? new Float32Array(count) : new Int32Array(labelType === "none" ? 0 : count);
  const takeLabels = (taken: number) => labels.subarray(0, taken);
  const copyLabels = (from: BlockRows, take: RowSlice, at: number): void => {
    if (labels.length > 0) labels.set(from.labels.subarray(take.begin, take.end), at);
  };
  if (manifest.featureType !== "csr") {
    const width = rowElements(manifest.featureShape);
    const features = denseArray(manifest.featureType, count * width);
    return {
      copy(from, take, at) {
        const values = (from.features as DenseRows).subarray(take.begin * width, take.end * width);
        // As bytes: a copy of floats one by one would not be faster, and might touch a NaN's bits.
        bytesOf(features).set(bytesOf(values), at * width * features.BYTES_PER_ELEMENT);
        copyLabels(from, take, at);
      },
      take: (taken) => ({ features: features.subarray(0, taken * width), labels: takeLabels(taken) }),
    };
  }
  const rowStarts = new Uint32Array(count + 1);
  let columns = new Uint32Array(nonZeros);
  let values = new Float32Array(nonZeros);
  const makeRoom = (wanted: number): void => {
    if (wanted <= columns.length) return;
    const length = Math.max(wanted, Math.ceil(columns.length * GROWTH));
    const [fewerColumns, fewerValues] = [columns, values];
    columns = new Uint32Array(length);
    values = new Float32Array(length);
    columns.set(fewerColumns);
    values.set(fewerValues);
  };
  return {
    copy(from, take, at) {
      const rows = from.features as CsrRows;
      const begin = rows.rowStarts[take.begin]!;
      const end = rows.rowStarts[take.end]!;
      const to = rowStarts[at]!;
      makeRoom(to + end - begin);
      columns.set(rows.columns.subarray(begin, end), to);
      values.set(rows.values.subarray(begin, end), to);
      for (let row = take.begin; row < take.end; row++) {
        rowStarts[at + row - take.begin + 1] = to - begin + rows.rowStarts[row + 1]!;
      }
      copyLabels(from, take, at);
    },
    take(taken) {
      const end = rowStarts[taken];
      const features: FeatureRows = {
        rowStarts: rowStarts.subarray(0, taken + 1),
        columns: columns.subarray(0, end),
        values: values.subarray(0, end),
      };
      return { features, labels: takeLabels(taken) };
    },
  };
}

/** The rows that each block of a split holds. */
export function blockSlices({ blocks }: DataManifest, split: Split): RowSlice[] {
  let begin = 0;
  return blocks[split].map(({ rows }) => ({ begin, end: (begin += rows) }));
}

function allRows(manifest: DataManifest, split: Split): RowSlice {
  return { begin: 0, end: manifest.counts[split] };
}

function refuseTooLarge(manifest: DataManifest, split: Split, rows: RowSlice, limitBytes: number): void {
  const needed = loadBytes(manifest, split, rows);
  if (needed <= limitBytes) return;
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  throw new SltrainError({
    code: "data-too-large",
    message:
      `${manifest.name}: rows ${rows.begin}..${rows.end} of ${split} need ${mib(needed)} MiB to load, ` +
      `expected at most ${mib(limitBytes)} MiB`,
    suggestions: [
      "Give the workers more memory.",
      "Use more workers, each of which loads its own rows only.",
    ],
  });
}

export interface WantedBlock {
  readonly block: DataBlock;
  /** Rows of the block. */
  readonly take: RowSlice;
  /** Row of the result where they go. */
  readonly at: number;
}

/** The blocks that hold `rows` of a split. */
export function overlapping(blocks: readonly DataBlock[], rows: RowSlice): WantedBlock[] {
  const wanted: WantedBlock[] = [];
  let first = 0;
  for (const block of blocks) {
    const begin = Math.max(rows.begin, first);
    const end = Math.min(rows.end, first + block.rows);
    if (begin < end) {
      wanted.push({ block, take: { begin: begin - first, end: end - first }, at: begin - rows.begin });
    }
    first += block.rows;
  }
  return wanted;
}

/** Fetches blocks into two buffers by turns: the one that is being decoded and the one that is coming. */
function blockFetcher(
  storage: Storage,
  manifest: DataManifest,
  buffers: LoadMemory["buffers"],
): (block: DataBlock | undefined) => Promise<Uint8Array> {
  const fetch = async (block: DataBlock, into: Uint8Array): Promise<Uint8Array> => {
    const object = await storage.get({ key: block.key }, into);
    if (object) return object;
    throw new SltrainError({
      code: "data-block-missing",
      message: `${block.key} in ${storage.uri}: expected a block of ${block.rows} rows of ${manifest.name}, got no object`,
      suggestions: [rewriteSuggestion(storage, manifest.id)],
    });
  };
  let turn = 0;
  return (block) => {
    if (!block) return Promise.resolve(new Uint8Array());
    const object = fetch(block, buffers[turn++ % 2]!);
    // It is awaited one block later, and not at all if that one fails: its own failure must not count as unhandled.
    object.catch(() => undefined);
    return object;
  };
}

export function largestBlockBytes(manifest: DataManifest, split: Split): number {
  return manifest.blocks[split].reduce((largest, { bytes }) => Math.max(largest, bytes), 0);
}
