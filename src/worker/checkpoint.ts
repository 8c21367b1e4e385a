// A checkpoint is one safetensors file: the flat vectors that a step reads and writes, and the cursor of the data.
// All ranks hold the same bits, so rank 0 writes for all; the two newest are kept.

import { crc32 } from "node:zlib";
import type { Replica } from "../algorithms/replica.ts";
import { SltrainError } from "../errors.ts";
import { decodeSafetensors, encodeSafetensors } from "../models/safetensors.ts";
import type { RunKeys } from "../run/keys.ts";
import type { Storage } from "../storage/storage.ts";

/** Where in the data a run stands, and the sums of the epoch under way. */
export interface Cursor {
  /** Steps finished. */
  step: number;
  epochLoss: number;
  epochCorrect: number;
  epochSamples: number;
}

export function startCursor(): Cursor {
  return { step: 0, epochLoss: 0, epochCorrect: 0, epochSamples: 0 };
}

const KEPT = 2;

/** Writes the vectors `names` and the cursor under the cursor's step, then deletes all but the newest two. */
export async function writeCheckpoint(
  storage: Storage,
  keys: RunKeys,
  replica: Pick<Replica, "read" | "write">,
  names: readonly string[],
  cursor: Cursor,
): Promise<void> {
  const tensors = [];
  let checksum = 0;
  for (const name of names) {
    const data = await replica.read(name);
    checksum = crc32(bytesOf(data), checksum);
    tensors.push({ name, shape: [data.length], data });
  }
  const parts = encodeSafetensors(tensors, { cursor: JSON.stringify(cursor), crc32: String(checksum) });
  await storage.put(keys.checkpoint(cursor.step), parts);
  const old = (await listCheckpoints(storage, keys)).slice(0, -KEPT);
  if (old.length > 0) await storage.delete(old);
}

/** Loads the newest checkpoint into `replica` and `cursor`; leaves both if there is none. Throws "checkpoint-damaged" naming the key. */
export async function readNewestCheckpoint(
  storage: Storage,
  keys: RunKeys,
  replica: Pick<Replica, "read" | "write">,
  names: readonly string[],
  cursor: Cursor,
): Promise<void> {
  const key = (await listCheckpoints(storage, keys)).at(-1);
  const bytes = key === undefined ? undefined : await storage.get({ key });
  if (key === undefined || bytes === undefined) return;
  const { tensors, metadata } = decodeSafetensors(bytes, key);
  let checksum = 0;
  for (const name of names) {
    const data = tensors.get(name)?.data;
    if (!(data instanceof Float32Array)) throw damaged(key, `expected a f32 tensor ${name}, got none`);
    checksum = crc32(bytesOf(data), checksum);
    replica.write(name, data);
  }
  if (metadata.crc32 !== String(checksum)) {
    throw damaged(key, `expected checksum ${String(metadata.crc32)}, got ${checksum}`);
  }
  Object.assign(cursor, JSON.parse(metadata.cursor ?? "null") as Cursor);
}

async function listCheckpoints(storage: Storage, keys: RunKeys): Promise<string[]> {
  return Array.fromAsync(storage.list(keys.checkpoints));
}

function bytesOf(data: Float32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function damaged(key: string, what: string): SltrainError {
  return new SltrainError({
    code: "checkpoint-damaged",
    message: `${key}: ${what}`,
    suggestions: ["Delete this checkpoint: the run then resumes from the one before it."],
  });
}
