// Rows on disk while they are shuffled: one file of segments. It has no name from the moment it is open, so that the
// system frees it however this process ends.

import { randomUUID } from "node:crypto";
import { type FileHandle, open, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SltrainError } from "../../errors.ts";
import { formatBytes } from "../../units.ts";
import { bytesOf, denseView, isSparse, partsOf, sizeBytesOf, VALUE_BYTES } from "../feature-rows.ts";
import type { FeatureType, RowBlock } from "../rows.ts";

/** Rows with a key each. */
export interface KeyedRows {
  readonly block: RowBlock;
  readonly keys: Uint32Array;
}

export interface Segment {
  readonly at: number;
  readonly bytes: number;
  readonly rows: number;
  readonly nonZeros: number;
}

/** What the rows of one file have in common. */
export interface RowForm {
  readonly type: FeatureType;
  readonly hasLabels: boolean;
}

export class SpillFile {
  readonly #handle: FileHandle;
  readonly #folder: string;
  #end = 0;

  private constructor(handle: FileHandle, folder: string) {
    this.#handle = handle;
    this.#folder = folder;
  }

  /**
   * @param expectedBytes the least that will be written, as far as it is known
   * @throws SltrainError "disk-full" if the folder's disk has less left
   */
  static async create(expectedBytes: number, folder = tmpdir()): Promise<SpillFile> {
    const { bavail, bsize } = await statfs(folder);
    if (bavail * bsize < expectedBytes) throw diskFull(folder, expectedBytes, bavail * bsize);
    const path = join(folder, `sltrain-spill-${randomUUID()}`);
    const handle = await open(path, "wx+", 0o600);
    await rm(path);
    return new SpillFile(handle, folder);
  }

  /** @throws SltrainError "disk-full" */
  async append({ block, keys }: KeyedRows): Promise<Segment> {
    const { features, labels, count } = block;
    // In the order of their alignment: f64, u32, and what may be bytes last.
    const parts = [labels, keys, ...partsOf(features)].map(bytesOf);
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    const segment = {
      ...{ at: this.#end, bytes, rows: count },
      nonZeros: isSparse(features) ? features.values.length : 0,
    };
    this.#end += bytes;
    try {
      await this.#handle.writev(parts, segment.at);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "ENOSPC") throw cause;
      throw diskFull(this.#folder, this.#end, this.#end - bytes, cause);
    }
    return segment;
  }

  /** What was appended as `segment`. */
  async read(segment: Segment, { type, hasLabels }: RowForm): Promise<KeyedRows> {
    const { at, rows, nonZeros } = segment;
    const bytes = new Uint8Array(segment.bytes);
    for (let filled = 0; filled < bytes.length;) {
      const { bytesRead } = await this.#handle.read(bytes, filled, bytes.length - filled, at + filled);
      if (bytesRead === 0) throw new Error(`the spill file in ${this.#folder} ends at ${at + filled}`);
      filled += bytesRead;
    }
    const labels = new Float64Array(bytes.buffer, 0, hasLabels ? rows : 0);
    const keys = new Uint32Array(bytes.buffer, labels.byteLength, rows);
    const features = viewFeatures(bytes, labels.byteLength + keys.byteLength, {
      ...{ type, rows, nonZeros },
    });
    return { keys, block: { count: rows, labels, features } };
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

function viewFeatures(
  bytes: Uint8Array<ArrayBuffer>,
  at: number,
  { type, rows, nonZeros }: { readonly type: FeatureType; readonly rows: number; readonly nonZeros: number },
): RowBlock["features"] {
  if (type !== "csr") return denseView(type, bytes, at, (bytes.length - at) / VALUE_BYTES[type]);
  const columnsAt = at + 4 * (rows + 1);
  return {
    rowStarts: new Uint32Array(bytes.buffer, at, rows + 1),
    columns: new Uint32Array(bytes.buffer, columnsAt, nonZeros),
    values: new Float32Array(bytes.buffer, columnsAt + 4 * nonZeros, nonZeros),
  };
}

/** Of the rows in memory, with their labels. */
export function blockSizeBytes({ features, labels }: RowBlock): number {
  return sizeBytesOf(features) + labels.byteLength;
}

function diskFull(folder: string, wantedBytes: number, gotBytes: number, cause?: unknown): SltrainError {
  return new SltrainError({
    code: "disk-full",
    message:
      `${folder}: expected at least ${formatBytes(wantedBytes)} to shuffle rows on disk, ` +
      `got ${formatBytes(gotBytes)}`,
    cause,
    suggestions: ["Free some space, or name a folder on a larger disk: TMPDIR=/path/to/folder sltrain …"],
  });
}
