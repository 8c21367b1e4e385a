// Weights that a run begins with, in storage: the model's flat vectors, cut into chunks that a worker reads one after the other
// straight to where they belong. Named by their content, so that runs share them.

import { crc32 } from "node:zlib";
import { SltrainError } from "../errors.ts";
import { vectorNames, type VectorName } from "../graph/graph.ts";
import type { Storage } from "../storage/storage.ts";

export interface WeightChunk {
  readonly key: string;
  /** Elements of the vector [begin, end). */
  readonly begin: number;
  readonly end: number;
  readonly crc32: number;
}

/** By the flat vector's name; a vector that is not there begins by the seed. */
export type StoredWeights = Readonly<Partial<Record<VectorName, readonly WeightChunk[]>>>;

/** All that a worker holds of weights beside the vectors themselves. */
const CHUNK_ELEMENTS = 4 * 2 ** 20;

/** `hash` names the content of all vectors. Safe to repeat. */
export async function storeVector(
  storage: Storage,
  hash: string,
  name: VectorName,
  values: Float32Array,
): Promise<readonly WeightChunk[]> {
  const chunks: WeightChunk[] = [];
  for (let begin = 0; begin < values.length; begin += CHUNK_ELEMENTS) {
    const end = Math.min(values.length, begin + CHUNK_ELEMENTS);
    const bytes = bytesOf(values.subarray(begin, end));
    const key = `weights/${hash}/${name}-${String(chunks.length).padStart(5, "0")}.f32`;
    await storage.put(key, [bytes], { ifAbsent: true });
    chunks.push({ key, begin, end, crc32: crc32(bytes) });
  }
  return chunks;
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
    for (const chunk of chunks) bytesOf(values).set(await readChunk(storage, chunk), chunk.begin * 4);
    target.write(name, values);
  }
}

async function readChunk(storage: Storage, { key, begin, end, crc32: expected }: WeightChunk) {
  const bytes = await storage.get({ key });
  if (bytes?.length === (end - begin) * 4 && crc32(bytes) === expected) return bytes;
  throw new SltrainError({
    code: "weights-damaged",
    message: `${key} in ${storage.uri}: expected ${(end - begin) * 4} bytes of the run's first weights, got ${bytes === undefined ? "none" : `${bytes.length} others`}`,
    suggestions: [`Delete the folder of ${key} and start the run anew: the weights are then written again.`],
  });
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
