// What a data set is made from, before it is decoded. Its inputs are data, so that one hash over them recognises it.

import { stat } from "node:fs/promises";
import { sha256 } from "../sha256.ts";
import { fileChunks, fileError } from "./content-file.ts";
import type { Transform } from "./dataset.ts";
import type { OnBytes } from "./format.ts";
import type { OnProgress } from "./progress.ts";
import type { SourceRows } from "./rows.ts";

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
const READERS_VERSION = 2;

export interface Fingerprint {
  /** Equal for sources that give equal rows: a hash of their undecoded inputs, much cheaper than to decode them. */
  readonly id: string;
  /** Of all files on disk. */
  readonly sizeBytes: number;
}

/** @throws SltrainError "data-missing" or "data-unreadable" naming the file */
export async function fingerprint(
  { name, inputs, transform }: Source,
  onProgress?: OnProgress,
): Promise<Fingerprint> {
  const hash = sha256().update(JSON.stringify([READERS_VERSION, name, transform ?? null]));
  const sizes: number[] = [];
  for (const input of inputs) sizes.push(typeof input === "string" ? 0 : await sizeOf(input.path));
  const sizeBytes = sizes.reduce((sum, size) => sum + size, 0);
  let bytes = 0;
  for (const [i, input] of inputs.entries()) {
    if (typeof input === "string") {
      hash.update(JSON.stringify(input));
      continue;
    }
    hash.update(JSON.stringify([input.as, sizes[i]]));
    for await (const chunk of fileChunks(input.path)) {
      hash.update(chunk);
      bytes += chunk.length;
      onProgress?.({ phase: "recognising", bytes, totalBytes: sizeBytes });
    }
  }
  return { id: hash.digest("hex"), sizeBytes };
}

async function sizeOf(path: string): Promise<number> {
  const { size } = await stat(path).catch((cause: unknown) => {
    throw fileError(path, cause);
  });
  return size;
}
