// Small JSON documents in storage. Every document is written atomically, so a reader sees one version or none.

import { randomUUID } from "node:crypto";
import { SltrainError } from "../errors.ts";
import type { PutOptions, PutOutcome, Storage } from "../storage/storage.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function putJson(
  storage: Storage,
  key: string,
  value: unknown,
  options?: PutOptions,
): Promise<PutOutcome> {
  return storage.put(key, [encodeJson(value)], options);
}

/**
 * Puts if absent, with a `nonce` of this call and no other, and tells whether what is there is this call's: one whose
 * answer was lost is put again and finds itself.
 */
export async function putOwnJson(storage: Storage, key: string, value: object): Promise<boolean> {
  const own = encodeJson({ ...value, nonce: randomUUID() });
  if ((await storage.put(key, [own], { ifAbsent: true })) === "stored") return true;
  const found = await storage.get({ key });
  return found !== undefined && Buffer.compare(found, own) === 0;
}

function encodeJson(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value, undefined, 1) + "\n");
}

/** The document under `key`, undefined if there is none. Throws "record-damaged" if it is no JSON. */
export async function getJson<T>(storage: Storage, key: string): Promise<T | undefined> {
  const bytes = await storage.get({ key });
  return bytes && (parseJson(decoder.decode(bytes), key) as T);
}

export function putJsonLines(storage: Storage, key: string, lines: readonly unknown[]): Promise<PutOutcome> {
  return storage.put(key, [encoder.encode(lines.map((line) => JSON.stringify(line) + "\n").join(""))]);
}

export async function getJsonLines<T>(storage: Storage, key: string): Promise<T[]> {
  const bytes = await storage.get({ key });
  if (!bytes) return [];
  const lines = decoder.decode(bytes).split("\n");
  return lines
    .filter((line) => line !== "")
    .map((line, index) => parseJson(line, `${key}, line ${index + 1}`) as T);
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SltrainError({
      code: "record-damaged",
      message: `${where}: expected JSON, got ${JSON.stringify(text.slice(0, 40))}`,
      cause,
      suggestions: [
        "The object was changed by something other than sltrain; restore it, or start a new run.",
      ],
    });
  }
}
