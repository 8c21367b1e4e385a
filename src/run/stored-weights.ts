// Weights that a run begins with, in storage: the model's flat vectors, cut into chunks that are written and read one after the
// other, so that nobody holds them twice. They lie under an id that all values follow from, so that runs share them.

import { crc32 } from "node:zlib";
import { SltrainError } from "../errors.ts";
import { vectorNames, type VectorName } from "../graph/graph.ts";
import type { ElementRange } from "../shard/layout.ts";
import type { Storage } from "../storage/storage.ts";
import { getJson, putJson } from "./json-object.ts";

/** Elements of the vector [begin, end). */
export interface WeightChunk extends ElementRange {
  readonly key: string;
  readonly crc32: number;
}

/** By the flat vector's name; a vector that is not there begins by the seed. */
export type StoredWeights = Readonly<Partial<Record<VectorName, readonly WeightChunk[]>>>;

/** All that anybody holds of weights beside the vectors themselves. */
const CHUNK_ELEMENTS = 4 * 2 ** 20;

/** A chunk's values, until the next one is asked for. */
export interface ChunkValues extends ElementRange {
  readonly vector: VectorName;
  readonly values: Float32Array;
}

/** Where vectors of these lengths are cut, in the order in which chunks are made. */
export function* chunkRanges(
  lengths: Readonly<Record<VectorName, number>>,
): Generator<ElementRange & { readonly vector: VectorName }> {
  for (const vector of vectorNames)
    for (let begin = 0; begin < lengths[vector]; begin += CHUNK_ELEMENTS)
      yield { vector, begin, end: Math.min(lengths[vector], begin + CHUNK_ELEMENTS) };
}

/**
 * What lies under `id`, written before if it does not: the index comes last, so that one who is stopped leaves nothing that is
 * taken for whole. Safe to repeat.
 */
export async function ensureWeights(
  storage: Storage,
  id: string,
  chunks: () => AsyncIterable<ChunkValues>,
): Promise<StoredWeights> {
  const index = `weights/${id}/index.json`;
  const known = await getJson<StoredWeights>(storage, index);
  if (known !== undefined) return known;
  const stored: Partial<Record<VectorName, WeightChunk[]>> = {};
  for await (const { vector, begin, end, values } of chunks()) {
    const bytes = bytesOf(values);
    const list = (stored[vector] ??= []);
    const key = `weights/${id}/${vector}-${String(list.length).padStart(5, "0")}.f32`;
    await storage.put(key, [bytes], { ifAbsent: true });
    list.push({ key, begin, end, crc32: crc32(bytes) });
  }
  await putJson(storage, index, stored, { ifAbsent: true });
  return stored;
}

export function weightsBytes(weights: StoredWeights): number {
  const chunks = Object.values(weights).flat();
  return chunks.reduce((sum, { begin, end }) => sum + (end - begin) * Float32Array.BYTES_PER_ELEMENT, 0);
}

/** What takes the vectors: their host memory, and a word when it has changed. */
export interface WeightTarget {
  mirror(vector: string): Float32Array;
  write(vector: string, values: Float32Array): void;
}

/** Throws SltrainError "weights-damaged" naming the chunk that is missing or is not what was stored. */
export async function loadWeights(
  storage: Storage,
  weights: StoredWeights,
  target: WeightTarget,
): Promise<void> {
  for (const name of vectorNames) {
    const chunks = weights[name];
    if (chunks === undefined || chunks.length === 0) continue;
    const values = target.mirror(name);
    // Straight to where they belong: a copy of each would be garbage of the size of the model.
    for (const chunk of chunks) await readChunk(storage, chunk, values.subarray(chunk.begin, chunk.end));
    target.write(name, values);
  }
}

async function readChunk(
  storage: Storage,
  { key, begin, end, crc32: expected }: WeightChunk,
  into: Float32Array,
): Promise<void> {
  const bytes = await storage.get({ key }, bytesOf(into));
  if (bytes?.length === (end - begin) * 4 && crc32(bytes) === expected) return;
  throw new SltrainError({
    code: "weights-damaged",
    message: `${key} in ${storage.uri}: expected ${(end - begin) * 4} bytes of the run's first weights, got ${bytes === undefined ? "none" : `${bytes.length} others`}`,
    suggestions: [
      `Delete the folder ${key.slice(0, key.lastIndexOf("/"))} and start the run anew: the weights are then written again.`,
    ],
  });
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
