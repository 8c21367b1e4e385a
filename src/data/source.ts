// What a data set is made from, before it is decoded. Its inputs are data, so that one hash over them recognises it.

import { stat } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { sha256 } from "../sha256.ts";
import { fileError } from "./content-file.ts";
import type { Transform } from "./dataset.ts";
import type { OnBytes } from "./format.ts";
import type { SourceRows } from "./rows.ts";
import { hashPart } from "./threads/hash-part.ts";
import type { ImportThreads } from "./threads/import-threads.ts";

/** A file, under the name that matters to the data set (of an image: its folder's too). */
export interface InputFile {
  readonly path: string;
  readonly as: string;
}

export interface Source {
  /** The data set's name. */
  readonly name: string;
  /** Where it comes from, for people. */
  readonly source: string;
  /** All that the rows depend on besides code: files as they are on disk, parameters as text. */
  readonly inputs: readonly (InputFile | string)[];
  /** Default: see `ImportJob`. */
  readonly transform?: Transform;
  /** Begins to read; tells the bytes on disk that have been read. @throws SltrainError "data-*" naming file, record or line, what was expected and what came. */
  open(onBytes?: OnBytes): SourceRows | Promise<SourceRows>;
}

/** Part of every fingerprint: raise it when a reader, the split or the standardisation changes its result. */
const READERS_VERSION = 3;

/** Files are hashed in parts of so much, so that several threads can: the id is the hash of the parts' hashes. */
const PART_BYTES = 16 * 2 ** 20;

export interface FingerprintOptions {
  /** Where parts are hashed. Default: on this thread. */
  readonly threads?: ImportThreads | undefined;
  /** Told of what has been hashed. */
  readonly onBytes?: OnBytes | undefined;
}

/** Of all files on disk. @throws SltrainError "data-missing" or "data-unreadable" naming the file */
export async function sourceBytes({ inputs }: Source): Promise<number> {
  let sum = 0;
  for (const input of inputs) if (typeof input !== "string") sum += await sizeOf(input);
  return sum;
}

/**
 * Equal for sources that give equal rows: a hash of their undecoded inputs, much cheaper than to decode them; in hex.
 * @throws SltrainError "data-missing" or "data-unreadable" naming the file
 */
export async function fingerprint(
  { name, inputs, transform }: Source,
  { threads, onBytes }: FingerprintOptions = {},
): Promise<string> {
  const hash = sha256().update(JSON.stringify([READERS_VERSION, name, transform ?? null]));
  for (const input of inputs) {
    if (typeof input === "string") {
      hash.update(JSON.stringify(input));
      continue;
    }
    const size = await sizeOf(input);
    hash.update(JSON.stringify([input.as, size, await hashParts(input.path, size, { threads, onBytes })]));
  }
  return hash.digest("hex");
}

/** Of each part, in hex. */
async function hashParts(
  path: string,
  size: number,
  { threads, onBytes }: FingerprintOptions,
): Promise<readonly string[]> {
  const hashes: Promise<string>[] = [];
  try {
    for (let begin = 0; begin < size; begin += PART_BYTES) {
      const end = Math.min(size, begin + PART_BYTES);
      const coming = threads?.hash(path, begin, end) ?? hashHere(path, begin, end);
      // Of several that fail, one is told.
      coming.then(
        () => onBytes?.(end - begin),
        () => undefined,
      );
      if (!threads) await coming;
      hashes.push(coming);
    }
    return await Promise.all(hashes);
  } catch (cause) {
    throw fileError(path, cause);
  }
}

/** Gives way to whatever else waits. */
async function hashHere(path: string, begin: number, end: number): Promise<string> {
  await setImmediate();
  return hashPart(path, begin, end);
}

async function sizeOf({ path }: InputFile): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (cause) {
    throw fileError(path, cause);
  }
}
