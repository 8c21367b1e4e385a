// IDX: big-endian arrays with a type byte and dimensions, the format of MNIST (LeCun, "The MNIST database", file formats).
// Images and their labels are two files side by side.

import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SltrainError } from "../../errors.ts";
import { openContent } from "../content-file.ts";
import { rowElements } from "../dataset.ts";
import type { ContentFile, Format } from "../format.ts";
import type { DenseRows, LabelMeaning, RowBlock, RowFacts, RowReader } from "../rows.ts";
import { refuseNonFinite } from "./finite-rows.ts";
import { fixedRecords } from "./fixed-records.ts";

interface IdxType {
  readonly name: string;
  readonly bytes: number;
  readonly isInteger: boolean;
  readonly read: (view: DataView, offset: number) => number;
}

const TYPES: Readonly<Record<number, IdxType>> = {
  0x08: { name: "u8", bytes: 1, isInteger: true, read: (view, at) => view.getUint8(at) },
  0x09: { name: "i8", bytes: 1, isInteger: true, read: (view, at) => view.getInt8(at) },
  0x0b: { name: "i16", bytes: 2, isInteger: true, read: (view, at) => view.getInt16(at) },
  0x0c: { name: "i32", bytes: 4, isInteger: true, read: (view, at) => view.getInt32(at) },
  0x0d: { name: "f32", bytes: 4, isInteger: false, read: (view, at) => view.getFloat32(at) },
  0x0e: { name: "f64", bytes: 8, isInteger: false, read: (view, at) => view.getFloat64(at) },
};

/** Labels are kept in memory while their images are read. */
const MAX_LABEL_BYTES = 2 ** 30;

export const idxFormat: Format = {
  name: "idx",
  description: "IDX images or rows, as MNIST has them, with a file of labels beside (also .gz)",
  // Two zero bytes, which no text has. A file that is called so is meant to be one, and told what is wrong with it.
  matches: (head, fileName) =>
    looksLikeIdx(head) || (/idx\d|ubyte/i.test(fileName) && !fileName.includes("labels")),
  takes: [],
  open: async (images) => openIdxRows(images, await readIdxLabels(await labelsBeside(images.path))),
  companions: async (path) => [await labelsBeside(path)],
};

export function looksLikeIdx(content: Uint8Array): boolean {
  return content[0] === 0 && content[1] === 0;
}

interface IdxHeader {
  readonly type: IdxType;
  readonly dims: readonly number[];
  readonly headerBytes: number;
}

/** @throws SltrainError "data-magic" or "data-truncated" */
export function idxHeader({ head, path }: ContentFile): IdxHeader {
  const type = head.length >= 4 && looksLikeIdx(head) ? TYPES[head[2]!] : undefined;
  const rank = head[3] ?? 0;
  if (!type || rank === 0) {
    throw new SltrainError({
      code: "data-magic",
      message:
        `${path}: expected IDX magic 00 00, a type (${hex(Object.keys(TYPES).map(Number))}) and a number of ` +
        `dimensions above 0, got ${hex([...head.subarray(0, 4)]) || "an empty file"}`,
      suggestions: ["Give an IDX or CSV file, either of them also as .gz."],
    });
  }
  const headerBytes = 4 + 4 * rank;
  if (head.length < headerBytes) {
    throw sizeError(path, `a header of ${headerBytes} bytes`, `${head.length} bytes`, "data-truncated");
  }
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  return { type, headerBytes, dims: Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i)) };
}

export interface IdxLabels {
  readonly path: string;
  readonly dims: readonly number[];
  readonly values: Float64Array;
  readonly areIntegers: boolean;
}

export async function readIdxLabels(path: string): Promise<IdxLabels> {
  const file = await openContent(path);
  const { type, dims, headerBytes } = idxHeader(file);
  const content = await file.bytes(MAX_LABEL_BYTES);
  const values = new Float64Array(rowElements(dims));
  checkSize(content.length - headerBytes, dims, values.length * type.bytes, path);
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  for (let i = 0; i < values.length; i++) values[i] = type.read(view, headerBytes + i * type.bytes);
  refuseNonFinite(values, 1, { where: path, unit: "record", firstRow: 0 });
  return { path, dims, values, areIntegers: type.isInteger };
}

/**
 * Integer labels are class indices; float labels are regression targets.
 * @param classes how many classes there are; without it, one more than the highest label
 * @throws SltrainError "data-count" or "data-label" naming the file and the record, and from `read` "data-truncated",
 * "data-size" or "data-nan".
 */
export function openIdxRows(images: ContentFile, labels: IdxLabels, classes?: number): RowReader {
  const { type, dims, headerBytes } = idxHeader(images);
  const [count = 0, ...shape] = dims;
  if (labels.dims.length !== 1 || labels.dims[0] !== count) {
    throw new SltrainError({
      code: "data-count",
      message: `${labels.path}: expected ${count} labels, one for each record of ${images.path}, got ${labels.dims.join(" x ")}`,
      suggestions: ["Give the label file that belongs to the images."],
    });
  }
  const meaning = meaningOf(labels, classes);
  // Images without a channel dimension have one channel.
  const featureShape = shape.length === 2 ? [...shape, 1] : shape.length === 0 ? [1] : shape;
  const width = rowElements(featureShape);
  const facts: RowFacts = {
    ...{ featureShape, featureType: type.name === "u8" ? "u8" : "f32", labels: meaning, skippedRecords: 0 },
  };
  async function* read(): AsyncGenerator<RowBlock> {
    const recordBytes = width * type.bytes;
    let row = 0;
    let bytes = 0;
    for await (const records of fixedRecords(images.content(), { skipBytes: headerBytes, recordBytes })) {
      bytes += records.length;
      const rows = Math.min(Math.floor(records.length / recordBytes), count - row);
      if (rows === 0) continue;
      const features = featuresOf(records.subarray(0, rows * recordBytes), type);
      if (!(features instanceof Uint8Array)) {
        refuseNonFinite(features, width, { where: images.path, unit: "record", firstRow: row });
      }
      yield { count: rows, features, labels: labels.values.slice(row, row + rows) };
      row += rows;
    }
    checkSize(bytes, dims, count * recordBytes, images.path);
  }
  return { read, facts: () => facts };
}

/** All rows of a file, without labels. */
export async function readIdxFeatures(
  file: ContentFile,
  limitBytes: number,
): Promise<{ readonly row: readonly number[]; readonly values: DenseRows }> {
  const { type, dims, headerBytes } = idxHeader(file);
  const content = (await file.bytes(limitBytes)).subarray(headerBytes);
  checkSize(content.length, dims, rowElements(dims) * type.bytes, file.path);
  const row = dims.slice(1);
  const values = featuresOf(content, type);
  refuseNonFinite(values, rowElements(row), { where: file.path, unit: "record", firstRow: 0 });
  return { row, values };
}

function featuresOf(records: Uint8Array, type: IdxType): DenseRows {
  if (type.name === "u8") return records;
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  return Float32Array.from({ length: records.length / type.bytes }, (_, i) =>
    type.read(view, i * type.bytes),
  );
}

function meaningOf({ values, areIntegers, path }: IdxLabels, classes: number | undefined): LabelMeaning {
  if (!areIntegers) return { kind: "targets" };
  const bound = classes ?? values.reduce((highest, label) => Math.max(highest, label), 0) + 1;
  const bad = values.findIndex((label) => label < 0 || label >= bound);
  if (bad >= 0) {
    throw new SltrainError({
      code: "data-label",
      message: `${path}: record ${bad}: expected a label in 0..${bound - 1}, got ${values[bad]}`,
      suggestions: ["Number the classes from 0."],
    });
  }
  return { kind: "classes", values: Array.from({ length: bound }, (_, i) => i) };
}

function checkSize(gotBytes: number, dims: readonly number[], wantedBytes: number, path: string): void {
  if (gotBytes === wantedBytes) return;
  const wanted = `${dims[0]} records (${dims.join(" x ")}: ${wantedBytes} bytes)`;
  if (gotBytes > wantedBytes) throw sizeError(path, wanted, `${gotBytes} bytes`, "data-size");
  const whole = Math.floor(gotBytes / (wantedBytes / dims[0]!));
  const got = `${gotBytes} bytes: the file ends in record ${whole}`;
  throw sizeError(path, wanted, got, "data-truncated");
}

function sizeError(path: string, wanted: string, got: string, code: string): SltrainError {
  return new SltrainError({
    code,
    message: `${path}: expected ${wanted}, got ${got}`,
    suggestions: ["Fetch the file again."],
  });
}

/** train-images-idx3-ubyte.gz -> train-labels-idx1-ubyte.gz, or the same with or without .gz. */
export async function labelsBeside(imagesPath: string): Promise<string> {
  const name = basename(imagesPath);
  const labels = name.replace(/images/i, "labels").replace(/idx\d/i, "idx1");
  const bare = labels.replace(/\.gz$/i, "");
  const names = await readdir(dirname(imagesPath));
  const found = labels === name ? undefined : [labels, bare, `${bare}.gz`].find((n) => names.includes(n));
  if (found !== undefined) return join(dirname(imagesPath), found);
  const wanted = labels === name ? 'a name with "images", so that "labels" names its labels' : labels;
  throw missingIdx(imagesPath, `${wanted} beside it`, "no such file");
}

export function missingIdx(path: string, expected: string, got: string): SltrainError {
  return new SltrainError({
    code: "data-missing",
    message: `${path}: expected ${expected}, got ${got}`,
    suggestions: ["Name the files as MNIST does: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-..."],
  });
}

function hex(bytes: readonly number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
