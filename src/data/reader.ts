// Loads a split from storage into memory: a worker's side of the partitions. Knows blocks and manifests, no sources.

import { SltrainError } from "../errors.ts";
import type { Storage } from "../storage/storage.ts";
import { bytesOf, decodeBlock, maxObjectBytes } from "./block.ts";
import { datasetInfo, rowElements, type Dataset, type Split } from "./dataset.ts";
import { rewriteSuggestion, type DataBlock, type DataManifest } from "./manifest.ts";
import type { RowSlice } from "./order.ts";

export interface ReadOptions {
  /** Refuse to load more than this; the default is no limit. */
  readonly memoryLimitBytes?: number;
  /** Load these rows of the split only (a rank's `evenPart`); blocks outside are not fetched. The default is all. */
  readonly rows?: RowSlice;
}

/** Memory that `openPartitions` needs: the rows, one decoded block and two stored ones. */
export function loadBytes(manifest: DataManifest, split: Split, rows = allRows(manifest, split)): number {
  const width = rowElements(manifest.featureShape);
  const rowBytes = width * (manifest.featureType === "u8" ? 1 : 4) + 4;
  return (rows.end - rows.begin) * rowBytes + 3 * largestBlockBytes(manifest, split);
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
  const width = rowElements(manifest.featureShape);
  const { featureType } = manifest;
  const labelType = manifest.task === "classification" ? "i32" : "f32";
  const features = featureType === "u8" ? new Uint8Array(count * width) : new Float32Array(count * width);
  const labels = labelType === "i32" ? new Int32Array(count) : new Float32Array(count);
  const rowBytes = width * features.BYTES_PER_ELEMENT;

  const wanted = overlapping(manifest.blocks[split], rows);
  const fetch = blockFetcher(storage, manifest, split);
  let coming = fetch(wanted[0]?.block);
  for (const [index, { block, take, at }] of wanted.entries()) {
    const object = await coming;
    coming = fetch(wanted[index + 1]?.block);
    const facts = { ...block, rowElements: width, featureType, labelType } as const;
    const where = `${block.key} in ${storage.uri}`;
    const decoded = decodeBlock(object, facts, where, [rewriteSuggestion(storage, manifest.contentHash)]);
    const blockLabels = decoded.subarray(block.rows * rowBytes);
    bytesOf(features).set(decoded.subarray(take.begin * rowBytes, take.end * rowBytes), at * rowBytes);
    bytesOf(labels).set(blockLabels.subarray(take.begin * 4, take.end * 4), at * 4);
  }
  return { ...datasetInfo(manifest), count, features, labels };
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

interface WantedBlock {
  readonly block: DataBlock;
  /** Rows of the block. */
  readonly take: RowSlice;
  /** Row of the result where they go. */
  readonly at: number;
}

function overlapping(blocks: readonly DataBlock[], rows: RowSlice): WantedBlock[] {
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
  split: Split,
): (block: DataBlock | undefined) => Promise<Uint8Array> {
  const buffers = [0, 1].map(() => new Uint8Array(maxObjectBytes(largestBlockBytes(manifest, split))));
  const fetch = async (block: DataBlock, into: Uint8Array): Promise<Uint8Array> => {
    const object = await storage.get({ key: block.key }, into);
    if (object) return object;
    throw new SltrainError({
      code: "data-block-missing",
      message: `${block.key} in ${storage.uri}: expected a block of ${block.rows} rows of ${manifest.name}, got no object`,
      suggestions: [rewriteSuggestion(storage, manifest.contentHash)],
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

function largestBlockBytes(manifest: DataManifest, split: Split): number {
  return manifest.blocks[split].reduce((largest, { bytes }) => Math.max(largest, bytes), 0);
}
