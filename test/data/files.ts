// Writes small data files into a folder that is removed when the test ends.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { gzipSync } from "node:zlib";

export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "sltrain-data-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Writes a file (packed if the name ends in .gz) and returns its path. */
export function writeData(folder: string, name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, name.endsWith(".gz") ? gzipSync(content) : content);
  return path;
}

export const IDX_U8 = 0x08;
export const IDX_I8 = 0x09;
export const IDX_I16 = 0x0b;
export const IDX_F32 = 0x0d;

export function idx(type: number, dims: readonly number[], values: readonly number[]): Buffer {
  const header = Buffer.alloc(4 + 4 * dims.length);
  header[2] = type;
  header[3] = dims.length;
  dims.forEach((size, i) => header.writeUInt32BE(size, 4 + 4 * i));
  const body = Buffer.alloc(values.length * ({ [IDX_I16]: 2, [IDX_F32]: 4 }[type] ?? 1));
  values.forEach((value, i) => {
    if (type === IDX_F32) body.writeFloatBE(value, 4 * i);
    else if (type === IDX_I16) body.writeInt16BE(value, 2 * i);
    else if (type === IDX_I8) body.writeInt8(value, i);
    else body.writeUInt8(value, i);
  });
  return Buffer.concat([header, body]);
}

/** Ten 2x2 images whose pixels are all their row's number, labels 0 1 2 0 1 2 ... */
export function writeImages(folder: string, prefix = "train", suffix = ""): string {
  const rows = [...Array(10).keys()];
  writeData(
    folder,
    `${prefix}-labels-idx1-ubyte${suffix}`,
    idx(
      IDX_U8,
      [10],
      rows.map((row) => row % 3),
    ),
  );
  return writeData(
    folder,
    `${prefix}-images-idx3-ubyte${suffix}`,
    idx(
      IDX_U8,
      [10, 2, 2],
      rows.flatMap((row) => [row, row, row, row]),
    ),
  );
}
