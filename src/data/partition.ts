// Writes a data set to storage once. Blocks are put if absent and the manifest comes last, so any number of
// coordinators may do this at once, and one that dies half-way leaves a cache that the next one completes.

import type { Storage } from "../storage/storage.ts";
import { sha256 } from "../sha256.ts";
import { encodeBlock } from "./block.ts";
import { datasetInfo, rowElements, type Dataset, type DatasetSplits, type Split } from "./dataset.ts";
import { openSource, type OpenOptions } from "./known.ts";
import {
  blockKey,
  MANIFEST_SCHEMA_VERSION,
  manifestKey,
  readManifest,
  type DataBlock,
  type DataManifest,
} from "./manifest.ts";
import type { Source } from "./source.ts";

/** Large enough that a get's latency does not count, small enough that a worker's spare memory does. */
const BLOCK_BYTES = 4 * 2 ** 20;

/** Part of every fingerprint: raise it when a reader, the split or the standardisation changes its result. */
const READERS_VERSION = 1;

/**
 * The manifest of the data set that `spec` names, written to storage if it is not there. A source that storage has seen
 * is recognised by the hash of its files and is not decoded again.
 * @throws what `openSource` and the source's `load` throw; "data-manifest-damaged".
 */
export async function ensurePartitions(
  storage: Storage,
  spec: string,
  options: OpenOptions,
): Promise<DataManifest> {
  const source = await openSource(spec, options);
  const pointerKey = `data/sources/${fingerprint(source)}`;
  const known = await knownHash(storage, pointerKey);
  const stored = known && (await readManifest(storage, known));
  if (stored) return stored;
  const splits = await source.load();
  const manifest = await writePartitions(storage, splits);
  await storage.put(pointerKey, [Buffer.from(manifest.contentHash)]);
  return manifest;
}

/** Writes what is absent of a data set: safe to repeat and to run concurrently. Returns the manifest that is stored. */
export async function writePartitions(storage: Storage, splits: DatasetSplits): Promise<DataManifest> {
  const { contentHash } = splits.train;
  const stored = await readManifest(storage, contentHash);
  if (stored) return stored;
  const manifest: DataManifest = {
    schemaVersion: MANIFEST_SCHEMA_VERSION,
    ...datasetInfo(splits.train),
    featureType: splits.train.features instanceof Uint8Array ? "u8" : "f32",
    counts: { train: splits.train.count, validation: splits.validation.count },
    blocks: {
      train: await writeBlocks(storage, splits.train, "train"),
      validation: await writeBlocks(storage, splits.validation, "validation"),
    },
  };
  const bytes = Buffer.from(JSON.stringify(manifest, undefined, 1));
  await storage.put(manifestKey(contentHash), [bytes], { ifAbsent: true });
  return manifest;
}

async function writeBlocks(storage: Storage, data: Dataset, split: Split): Promise<DataBlock[]> {
  const width = rowElements(data.featureShape);
  const rowBytes = width * data.features.BYTES_PER_ELEMENT + data.labels.BYTES_PER_ELEMENT;
  const rowsPerBlock = Math.max(1, Math.floor(BLOCK_BYTES / rowBytes));
  const blocks: DataBlock[] = [];
  for (let begin = 0; begin < data.count; begin += rowsPerBlock) {
    const end = Math.min(data.count, begin + rowsPerBlock);
    const { parts, rows, bytes, crc32 } = encodeBlock(
      data.features.subarray(begin * width, end * width),
      data.labels.subarray(begin, end),
    );
    const key = blockKey(data.contentHash, split, blocks.length);
    // If it exists, it holds the same rows: its key contains their hash.
    await storage.put(key, parts, { ifAbsent: true });
    blocks.push({ key, rows, bytes, crc32 });
  }
  return blocks;
}

/** Equal for sources that give equal data: a hash of their undecoded inputs, much cheaper than to decode them. */
function fingerprint(source: Source): string {
  const hash = sha256().update(`${READERS_VERSION} ${source.name}`);
  for (const input of source.inputs) hash.update(` ${input.length} `).update(input);
  return hash.digest("hex");
}

/** The content hash that a source had when it was last decoded; a pointer that is no hash is as good as none. */
async function knownHash(storage: Storage, pointerKey: string): Promise<string | undefined> {
  const bytes = await storage.get({ key: pointerKey });
  const text = bytes && Buffer.from(bytes).toString("latin1");
  return text && /^[0-9a-f]{64}$/.test(text) ? text : undefined;
}
