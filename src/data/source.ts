// What a data set is made from, before it is decoded. Its inputs are data, so that one hash over them recognises it.

import { stat } from "node:fs/promises";
import { sha256 } from "../sha256.ts";
import { fileChunks, fileError } from "./content-file.ts";
import type { Transform } from "./dataset.ts";
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
  /** Begins to read. @throws SltrainError "data-*" naming file, record or line, what was expected and what came. */
  open(): SourceRows | Promise<SourceRows>;
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
export async function fingerprint({ name, inputs, transform }: Source): Promise<Fingerprint> {
  const hash = sha256().update(JSON.stringify([READERS_VERSION, name, transform ?? null]));
  let sizeBytes = 0;
  for (const input of inputs) {
    if (typeof input === "string") {
      hash.update(JSON.stringify(input));
      continue;
    }
    const { size } = await stat(input.path).catch((cause: unknown) => {
      throw fileError(input.path, cause);
    });
    hash.update(JSON.stringify([input.as, size]));
    sizeBytes += size;
    for await (const chunk of fileChunks(input.path)) hash.update(chunk);
  }
  return { id: hash.digest("hex"), sizeBytes };
}
