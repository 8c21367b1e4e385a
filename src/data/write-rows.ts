// Rows as files that other programs read: CSV, LibSVM, NPY. Numbers are written so that they read back as the same f32.

import { open, type FileHandle } from "node:fs/promises";
import { extname } from "node:path";
import { SltrainError } from "../errors.ts";
import type { DenseRows, FeatureRows, RowBlock, RowReader } from "./rows.ts";

export const rowFileFormats = ["csv", "libsvm", "npy"] as const;
export type RowFileFormat = (typeof rowFileFormats)[number];

export interface WrittenRows {
  readonly rows: number;
  readonly bytes: number;
  /** One, or for NPY the features' and the labels'. */
  readonly paths: readonly string[];
}

/**
 * Writes all rows: csv (dense; the label comes first, a header names it), libsvm (zeros are left out, columns count from 1)
 * or npy (dense; features to `path`, labels beside it: X.npy and X.labels.npy).
 * @throws SltrainError "data-write" for an unknown format, or sparse rows in a dense one.
 */
export async function writeRows(reader: RowReader, format: string, path: string): Promise<WrittenRows> {
  switch (format) {
    case "csv":
      return writeText(reader, path, csvLines, csvHeader);
    case "libsvm":
      return writeText(reader, path, libsvmLines);
    case "npy":
      return writeNpy(reader, path);
    default:
      throw refused(path, `one of the formats ${rowFileFormats.join(", ")}`, `"${format}"`);
  }
}

type Lines = (block: RowBlock, path: string) => string;

async function writeText(
  reader: RowReader,
  path: string,
  lines: Lines,
  header?: (block: RowBlock, reader: RowReader, path: string) => string,
): Promise<WrittenRows> {
  const file = await open(path, "w");
  try {
    let rows = 0;
    let bytes = 0;
    const write = async (text: string) => {
      bytes += Buffer.byteLength(text);
      await file.writeFile(text);
    };
    for await (const block of reader.read()) {
      if (rows === 0 && header) await write(header(block, reader, path));
      await write(lines(block, path));
      rows += block.count;
    }
    return { rows, bytes, paths: [path] };
  } finally {
    await file.close();
  }
}

function csvHeader(block: RowBlock, _reader: RowReader, path: string): string {
  const width = denseRows(block.features, path).length / block.count;
  return `label,${Array.from({ length: width }, (_, j) => `x${j + 1}`).join(",")}\n`;
}

const csvLines: Lines = ({ count, features, labels }, path) => {
  const dense = denseRows(features, path);
  const width = dense.length / count;
  let text = "";
  for (let row = 0, at = 0; row < count; row++) {
    text += String(labels[row]);
    for (let j = 0; j < width; j++) text += `,${dense[at++]!}`;
    text += "\n";
  }
  return text;
};

const libsvmLines: Lines = ({ count, features, labels }) => {
  let text = "";
  if ("rowStarts" in features) {
    const { rowStarts, columns, values } = features;
    for (let row = 0; row < count; row++) {
      text += String(labels[row]);
      for (let i = rowStarts[row]!; i < rowStarts[row + 1]!; i++) text += ` ${columns[i]! + 1}:${values[i]!}`;
      text += "\n";
    }
    return text;
  }
  const width = features.length / count;
  for (let row = 0, at = 0; row < count; row++) {
    text += String(labels[row]);
    for (let j = 1; j <= width; j++, at++) if (features[at] !== 0) text += ` ${j}:${features[at]!}`;
    text += "\n";
  }
  return text;
};

/** NPY 1.0 wants the shape before the data: a header of fixed length is written again at the end. */
async function writeNpy(reader: RowReader, path: string): Promise<WrittenRows> {
  const extension = extname(path);
  const labelsPath = `${path.slice(0, path.length - extension.length)}.labels${extension}`;
  const [file, labelsFile] = await Promise.all([open(path, "w"), open(labelsPath, "w")]);
  try {
    let rows = 0;
    let bytes = 2 * NPY_HEADER_BYTES;
    let shape: readonly number[] = [];
    let type = "<f4";
    await append(file, npyHeader("|u1", [0]));
    await append(labelsFile, npyHeader("<f8", [0]));
    for await (const { count, features, labels } of reader.read()) {
      const dense = denseRows(features, path);
      type = dense instanceof Uint8Array ? "|u1" : dense instanceof Float32Array ? "<f4" : "<f2";
      shape = [dense.length / count];
      await append(file, dense);
      await append(labelsFile, labels);
      rows += count;
      bytes += dense.byteLength + labels.byteLength;
    }
    if (type === "|u1") shape = reader.facts().featureShape;
    await file.write(npyHeader(type, [rows, ...shape]), 0, NPY_HEADER_BYTES, 0);
    await labelsFile.write(npyHeader("<f8", [rows]), 0, NPY_HEADER_BYTES, 0);
    return { rows, bytes, paths: [path, labelsPath] };
  } finally {
    await Promise.all([file.close(), labelsFile.close()]);
  }
}

const NPY_HEADER_BYTES = 128;

function npyHeader(type: string, shape: readonly number[]): Buffer {
  const tuple = shape.length === 1 ? `(${shape[0]!},)` : `(${shape.join(", ")})`;
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const header = Buffer.alloc(NPY_HEADER_BYTES, " ");
  header.write("\x93NUMPY\x01\x00", "latin1");
  header.writeUInt16LE(NPY_HEADER_BYTES - 10, 8);
  header.write(text, 10, "latin1");
  header.write("\n", NPY_HEADER_BYTES - 1);
  return header;
}

async function append(file: FileHandle, values: ArrayBufferView): Promise<void> {
  await file.writeFile(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}

function denseRows(features: FeatureRows, path: string): DenseRows {
  if (!("rowStarts" in features)) return features;
  throw refused(path, "dense rows in this format", "sparse ones", ["Write them as libsvm."]);
}

function refused(
  path: string,
  expected: string,
  got: string,
  suggestions: readonly string[] = [],
): SltrainError {
  return new SltrainError({
    code: "data-write",
    message: `${path}: expected ${expected}, got ${got}`,
    suggestions,
  });
}
