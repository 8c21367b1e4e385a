// A checkpoint is a folder of safetensors files: what is equal on all ranks, written by rank 0 with the cursor of the
// data, and what each rank has for itself, written by that rank. It counts only once all its files are there. Two are
// kept, for of the newest one a rank's file may still be missing.

import { crc32 } from "node:zlib";
import type { AlgorithmState, NamedArrays } from "../algorithms/algorithm.ts";
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

/** Whose checkpoints, and where. */
export interface CheckpointPlace {
  readonly storage: Storage;
  readonly keys: RunKeys;
  readonly rank: number;
  readonly worldSize: number;
}

const KEPT = 2;

/**
 * Writes this rank's part of the checkpoint at the cursor's step. To be called by all ranks at the same steps; whoever
 * finishes a later exchange knows that it is complete.
 */
export async function writeCheckpoint(
  { storage, keys, rank, worldSize }: CheckpointPlace,
  { shared, own }: AlgorithmState,
  cursor: Cursor,
): Promise<void> {
  const hasOwn = Object.keys(own).length > 0;
  if (hasOwn) await storage.put(keys.checkpoint(cursor.step, rank), encode(own, cursor, 0));
  if (rank !== 0) return;
  await storage.put(keys.checkpoint(cursor.step, "shared"), encode(shared, cursor, hasOwn ? worldSize : 0));
  const stored = await listCheckpoints(storage, keys);
  const old = [...stored.keys()].sort((a, b) => b - a).slice(KEPT);
  if (old.length > 0) await storage.delete(old.flatMap((step) => stored.get(step)!));
}

/**
 * The newest complete checkpoint as this rank sees it, with its cursor; undefined if there is none. Throws
 * "checkpoint-damaged" naming the key, also where an array of `expected` is missing or has another length.
 */
export async function readNewestCheckpoint(
  { storage, keys, rank }: CheckpointPlace,
  expected: AlgorithmState,
): Promise<(AlgorithmState & { readonly cursor: Cursor }) | undefined> {
  const stored = await listCheckpoints(storage, keys);
  for (const step of [...stored.keys()].sort((a, b) => b - a)) {
    const there = new Set(stored.get(step));
    if (!there.has(keys.checkpoint(step, "shared"))) continue;
    const shared = await decode(storage, keys.checkpoint(step, "shared"), expected.shared);
    const ranks = Array.from({ length: shared.ranks }, (_, i) => i);
    if (!ranks.every((i) => there.has(keys.checkpoint(step, i)))) continue;
    const own =
      shared.ranks === 0 ? {} : (await decode(storage, keys.checkpoint(step, rank), expected.own)).arrays;
    return { shared: shared.arrays, own, cursor: shared.cursor };
  }
  return undefined;
}

/** All files by step. */
async function listCheckpoints(storage: Storage, keys: RunKeys): Promise<Map<number, string[]>> {
  const files = new Map<number, string[]>();
  for await (const key of storage.list(keys.checkpoints)) {
    const step = Number.parseInt(key.slice(keys.checkpoints.length), 10);
    files.set(step, [...(files.get(step) ?? []), key]);
  }
  return files;
}

/** `ranks`: how many ranks have a file of their own beside this one. */
function encode(arrays: NamedArrays, cursor: Cursor, ranks: number): readonly Uint8Array[] {
  const tensors = Object.entries(arrays).map(([name, data]) => ({ name, shape: [data.length], data }));
  const metadata = { cursor: JSON.stringify(cursor), ranks: String(ranks) };
  const [, ...values] = encodeSafetensors(tensors);
  return encodeSafetensors(tensors, { ...metadata, crc32: checksum(metadata, values) });
}

async function decode(
  storage: Storage,
  key: string,
  expected: NamedArrays,
): Promise<{ readonly arrays: NamedArrays; readonly cursor: Cursor; readonly ranks: number }> {
  const bytes = await storage.get({ key });
  if (bytes === undefined) throw damaged(key, "it was deleted while the run was being resumed");
  const { tensors, metadata } = decodeSafetensors(bytes, key);
  const arrays: Record<string, Float32Array | Int32Array> = {};
  for (const [name, { data }] of tensors) {
    if (!(data instanceof Float32Array || data instanceof Int32Array)) {
      throw damaged(key, `expected ${name} to hold 32-bit numbers, got a ${data.constructor.name}`);
    }
    arrays[name] = data;
  }
  const { cursor = "", ranks = "", crc32: written } = metadata;
  const got = checksum({ cursor, ranks }, Object.values(arrays).map(bytesOf));
  if (got !== written) throw damaged(key, `expected checksum ${String(written)}, got ${got}`);
  for (const [name, { length }] of Object.entries(expected)) {
    if (arrays[name]?.length !== length) {
      throw damaged(
        key,
        `expected ${length} values of ${name}, got ${String(arrays[name]?.length ?? "none")}`,
      );
    }
  }
  return { arrays, cursor: JSON.parse(cursor) as Cursor, ranks: Number(ranks) };
}

/** CRC-32 of all that decides how a run goes on. */
function checksum(
  { cursor, ranks }: { readonly cursor: string; readonly ranks: string },
  values: readonly Uint8Array[],
): string {
  return String(values.reduce((crc, part) => crc32(part, crc), crc32(`${cursor} ${ranks}`)));
}

function bytesOf(data: Float32Array | Int32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function damaged(key: string, what: string): SltrainError {
  return new SltrainError({
    code: "checkpoint-damaged",
    message: `${key}: ${what}`,
    suggestions: ["Delete this checkpoint's folder: the run then resumes from the one before it."],
  });
}
