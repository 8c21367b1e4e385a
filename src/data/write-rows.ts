// Rows as files that other programs read: CSV, LibSVM, NPY. Numbers are written so that they read back as the same f32. A
// file is there when it is whole, or not at all.

import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { extname } from "node:path";
import { SltrainError } from "../errors.ts";
import { isSparse } from "./feature-rows.ts";
import type { DenseRows, FeatureRows, RowBlock, RowReader } from "./rows.ts";

export const rowFileFormats = ["csv", "libsvm", "npy"] as const;
export type RowFileFormat = (typeof rowFileFormats)[number];

export interface WrittenRows {
  readonly rows: number;
  readonly bytes: number;
  /** One, or for NPY the features' and the labels'. */
  readonly paths: readonly string[];
}

/** What the columns of a table are called, and how labels are told. */
export interface WriteOptions {
  /** Default: x1, x2, … */
  readonly columns?: readonly string[] | undefined;
  /** `label` of classes, `target` of anything else: what an import takes them for. Default: `label`. */
  readonly labelColumn?: string;
  /** What label i is called, in a table. Default: its number. */
  readonly classNames?: readonly string[] | undefined;
}

/**
 * Writes all rows: csv (dense; the label comes first, a header names it), libsvm (zeros are left out, columns count from 1)
 * or npy (dense; features to `path`, labels beside it: X.npy and X.labels.npy).
 * @throws SltrainError "data-write" for an unknown format, sparse rows in a dense one, or a path that cannot be written
 */
export async function writeRows(
  reader: RowReader,
  format: string,
  path: string,
  options: WriteOptions = {},
): Promise<WrittenRows> {
  switch (format) {
    case "csv":
      return whole([path], (files) => writeText(files, reader, csvWriter(path, options)));
    case "libsvm":
      return whole([path], (files) => writeText(files, reader, { lines: libsvmLines }));
    case "npy": {
      const extension = extname(path);
      const labels = `${path.slice(0, path.length - extension.length)}.labels${extension}`;
      return whole([path, labels], (files) => writeNpy(files, reader, path));
    }
    default:
      throw refused(path, `one of the formats ${rowFileFormats.join(", ")}`, `"${format}"`);
  }
}

type Files = readonly FileHandle[];
type Counts = Omit<WrittenRows, "paths">;

/** Has files written beside their paths, and puts them there at the end. */
async function whole(
  paths: readonly string[],
  write: (files: Files) => Promise<Counts>,
): Promise<WrittenRows> {
  const parts = paths.map((path) => `${path}.${process.pid}.part`);
  const files: FileHandle[] = [];
  try {
    for (const part of parts) files.push(await open(part, "w"));
    const counts = await write(files);
    for (const [i, part] of parts.entries()) await rename(part, paths[i]!);
    return { ...counts, paths };
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (cause instanceof SltrainError || code === undefined) throw cause;
    throw new SltrainError({
      code: "data-write",
      message: `${paths[0]!}: expected to write the rows there: ${message}`,
      cause,
      suggestions: [
        code === "ENOSPC" ? "Free some space, or choose another disk." : "Give a path that can be written.",
      ],
    });
  } finally {
    for (const file of files) await file.close();
    for (const part of parts) await rm(part, { force: true });
  }
}

interface TextWriter {
  /** What stands before the first row. */
  readonly header?: (block: RowBlock) => string;
  readonly lines: (block: RowBlock) => string;
}

async function writeText([file]: Files, reader: RowReader, { header, lines }: TextWriter): Promise<Counts> {
  let rows = 0;
  let bytes = 0;
  const write = async (text: string) => {
    const encoded = Buffer.from(text);
    bytes += encoded.length;
    await file!.writeFile(encoded);
  };
  for await (const block of reader.read()) {
    if (rows === 0 && header) await write(header(block));
    await write(lines(block));
    rows += block.count;
  }
  return { rows, bytes };
}

function csvWriter(path: string, options: WriteOptions): TextWriter {
  const { columns, labelColumn = "label" } = options;
  const names = options.classNames?.map(quoted);
  return {
    header({ features, count }) {
      const width = denseRows(features, path).length / count;
      const cells = columns ?? Array.from({ length: width }, (_, j) => `x${j + 1}`);
      return `${[labelColumn, ...cells].map(quoted).join(",")}\n`;
    },
    lines({ count, features, labels }) {
      const dense = denseRows(features, path);
      const width = dense.length / count;
      let text = "";
      for (let row = 0, at = 0; row < count; row++) {
        text += names?.[labels[row]!] ?? String(labels[row]);
        for (let j = 0; j < width; j++) text += `,${dense[at++]!}`;
        text += "\n";
      }
      return text;
    },
  };
}

/** As RFC 4180 has it. */
function quoted(cell: string): string {
  return /[",;\t\r\n]|^\s|\s$/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

function libsvmLines({ count, features, labels }: RowBlock): string {
  let text = "";
  if (isSparse(features)) {
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
}

/** NPY 1.0 wants the shape before the data: a header of fixed length is written again at the end. */
async function writeNpy([file, labelsFile]: Files, reader: RowReader, path: string): Promise<Counts> {
  let rows = 0;
  let bytes = 2 * NPY_HEADER_BYTES;
  let type = "<f4";
  await append(file!, npyHeader("|u1", [0]));
  await append(labelsFile!, npyHeader("<f8", [0]));
  for await (const { count, features, labels } of reader.read()) {
    const dense = denseRows(features, path);
    type = dense instanceof Uint8Array ? "|u1" : dense instanceof Float32Array ? "<f4" : "<f2";
    await append(file!, dense);
    await append(labelsFile!, labels);
    rows += count;
    bytes += dense.byteLength + labels.byteLength;
  }
  const header = npyHeader(type, [rows, ...reader.facts().featureShape]);
  await file!.write(header, 0, NPY_HEADER_BYTES, 0);
  await labelsFile!.write(npyHeader("<f8", [rows]), 0, NPY_HEADER_BYTES, 0);
  return { rows, bytes };
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
  if (!isSparse(features)) return features;
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
