// What a data set is made from, before it is decoded. A source is data, so that one hash over `inputs` recognises it.

import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { constants, gunzip, gunzipSync } from "node:zlib";
import { SltrainError } from "../errors.ts";
import type { DatasetSplits } from "./dataset.ts";

export interface Source {
  /** The data set's name. */
  readonly name: string;
  /** All that `load` depends on besides code: files as they are on disk, parameters as text. */
  readonly inputs: readonly (Uint8Array | string)[];
  /** Decodes the inputs. @throws SltrainError "data-*" naming file, record or line, what was expected and what came. */
  load(): DatasetSplits | Promise<DatasetSplits>;
}

/** A file in memory, as it is on disk. */
export interface SourceFile {
  readonly path: string;
  readonly bytes: Buffer;
}

/** @throws SltrainError "data-missing" or "data-unreadable" naming the path. */
export async function readSourceFile(path: string): Promise<SourceFile> {
  try {
    return { path, bytes: await readFile(path) };
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") {
      throw new SltrainError({
        code: "data-missing",
        message: `${path}: expected a data file, got nothing of that name`,
        cause,
        suggestions: ["Check the path."],
      });
    }
    throw new SltrainError({
      code: "data-unreadable",
      message: `${path}: expected a readable file, got ${code ?? message}`,
      cause,
      suggestions: ["Check that the file can be read and is below 2 GiB."],
    });
  }
}

/**
 * The file's content: what a gzip file holds, otherwise the bytes themselves. The content tells, not the name.
 * @throws SltrainError "data-truncated" or "data-damaged" for a gzip file that is cut or broken.
 */
export async function contentOf(file: SourceFile): Promise<Buffer> {
  if (!isGzip(file.bytes)) return file.bytes;
  return promisify(gunzip)(file.bytes, { chunkSize: 2 ** 20 }).catch((cause: unknown) => {
    throw gzipError(file, cause);
  });
}

/** The first bytes of the content, for a look at its format; much cheaper than all of it. */
export function headOf(file: SourceFile): Buffer {
  const head = file.bytes.subarray(0, 4096);
  if (!isGzip(head)) return head;
  try {
    return gunzipSync(head, { finishFlush: constants.Z_SYNC_FLUSH });
  } catch (cause) {
    throw gzipError(file, cause);
  }
}

function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

function gzipError({ path, bytes }: SourceFile, cause: unknown): SltrainError {
  const { code, message } = cause as NodeJS.ErrnoException;
  return new SltrainError({
    code: code === "Z_BUF_ERROR" ? "data-truncated" : "data-damaged",
    message: `${path}: expected a whole gzip file, got ${bytes.length} bytes that end early or are broken: ${message}`,
    cause,
    suggestions: ["Fetch the file again."],
  });
}
