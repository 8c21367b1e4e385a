// A worker's state in a file: named arrays of 32-bit numbers as safetensors, with the cursor and a checksum of both.

import { crc32 } from "node:zlib";
import type { NamedArrays } from "../algorithms/algorithm.ts";
import { SltrainError } from "../errors.ts";
import { decodeSafetensors, encodeSafetensors } from "../models/safetensors.ts";
import type { Storage } from "../storage/storage.ts";
import type { Cursor } from "./cursor.ts";

export interface StateFile {
  readonly arrays: NamedArrays;
  readonly cursor: Cursor;
  /** How many ranks have a file of their own beside this one. */
  readonly ranks: number;
}

/** Views of `arrays`. */
export function encodeState(arrays: NamedArrays, cursor: Cursor, ranks = 0): readonly Uint8Array[] {
  const tensors = Object.entries(arrays).map(([name, data]) => ({ name, shape: [data.length], data }));
  const metadata = { cursor: JSON.stringify(cursor), ranks: String(ranks) };
  const [, ...values] = encodeSafetensors(tensors);
  return encodeSafetensors(tensors, { ...metadata, crc32: checksum(metadata, values) });
}

/**
 * Undefined if there is none. Throws "checkpoint-damaged" naming the key, also where an array of `expected` is missing or
 * has another length.
 */
export async function readState(
  storage: Storage,
  key: string,
  expected: NamedArrays,
): Promise<StateFile | undefined> {
  const bytes = await storage.get({ key });
  if (bytes === undefined) return undefined;
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
