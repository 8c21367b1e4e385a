// NPY: one array as numpy.save writes it (NEP 1; numpy.lib.format), with its labels in a second file beside it or in one
// of its columns. The reader of rows serves the arrays in an NPZ archive as well.

import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SltrainError } from "../../errors.ts";
import { openContent, withoutPacking } from "../content-file.ts";
import { rowElements } from "../dataset.ts";
import type { ContentFile, Format, ReadOptions } from "../format.ts";
import type { DenseRows, FeatureType, RowBlock, RowReader } from "../rows.ts";
import { finiteRowsOf, refuseNonFinite, type DenseBlock } from "./finite-rows.ts";
import { fixedRecords } from "./fixed-records.ts";
import { LabelColumn } from "./labels.ts";
import { npyHeader, type NpyHeader } from "./npy-header.ts";

/** Labels are kept in memory while their rows are read. */
const MAX_LABEL_BYTES = 2 ** 30;

/** Content that begins with an NPY header. */
export interface NpyArray {
  /** For people: the file, and the array in it. */
  readonly where: string;
  readonly header: NpyHeader;
  content(): AsyncIterable<Uint8Array>;
}

export const npyFormat: Format = {
  name: "npy",
  description: "NumPy array (.npy) with its labels beside it: X.npy and y.npy, NAME.npy and NAME.labels.npy",
  matches: (head) => Buffer.from(head.subarray(0, 6)).toString("latin1") === "\x93NUMPY",
  takes: ["onBadRecord", "labelColumn", "labelKind"],
  open: async (file, options) => {
    const labels = options.labelColumn ?? arrayOf(await openContent(await labelsBeside(file.path)));
    return openNpyRows(arrayOf(file), labels, options);
  },
  companions: async (path, { labelColumn }) => (labelColumn === undefined ? [await labelsBeside(path)] : []),
};

function arrayOf(file: ContentFile): NpyArray {
  return { where: file.path, header: npyHeader(file.head, file.path), content: () => file.content() };
}

/** X.npy -> y.npy, x_train.npy -> y_train.npy, images.npy -> labels.npy, NAME.npy -> NAME.labels.npy or NAME_labels.npy */
async function labelsBeside(path: string): Promise<string> {
  const name = basename(path);
  const bare = withoutPacking(name).replace(/\.npy$/i, "");
  const candidates = [
    bare.replace(/^x(?![a-z])|(?<![a-z])x$/i, "y"),
    bare.replace(/images|features|data/i, "labels"),
    `${bare}.labels`,
    `${bare}_labels`,
  ].filter((candidate) => candidate !== bare);
  const names = new Map((await readdir(dirname(path))).map((entry) => [entry.toLowerCase(), entry]));
  for (const candidate of candidates) {
    const found = names.get(`${candidate}.npy`.toLowerCase());
    if (found !== undefined) return join(dirname(path), found);
  }
  throw new SltrainError({
    code: "data-missing",
    message: `${path}: expected its labels beside it (${candidates.map((c) => `${c}.npy`).join(" or ")}), got no such file`,
    suggestions: [
      "Save them beside it: numpy.save('y.npy', y).",
      "Say which column of the array is the label: --label-column 0.",
    ],
  });
}

/**
 * @param labels an array of one dimension, or the number of the column that holds them
 * @throws SltrainError "data-shape", "data-count" or "data-columns", and from `read` "data-truncated", "data-size", "data-nan"
 */
export async function openNpyRows(
  features: NpyArray,
  labels: NpyArray | string,
  { onBadRecord, labelKind }: Pick<ReadOptions, "onBadRecord" | "labelKind">,
): Promise<RowReader> {
  const { header, where } = features;
  const { shape, type } = header;
  const [count, ...row] = shape;
  if (count === undefined || count === 0) {
    throw shapeError(where, "an array of at least one row", shape);
  }
  const column = typeof labels === "string" ? columnOf(features, labels) : undefined;
  const beside = typeof labels === "string" ? undefined : await readLabels(labels, features, onBadRecord);
  const featureShape = column === undefined ? imageShape(row) : [row[0]! - 1];
  const featureType: FeatureType =
    type.name === "u1" ? "u8" : type.name === "f2" && column === undefined ? "f16" : "f32";
  const width = rowElements(row);
  const seen = new LabelColumn();
  let skippedRecords = 0;

  async function* read(): AsyncGenerator<RowBlock> {
    const recordBytes = width * type.bytes;
    let done = 0;
    let bytes = 0;
    const records = fixedRecords(features.content(), { skipBytes: header.headerBytes, recordBytes });
    for await (const chunk of records) {
      bytes += chunk.length;
      const rows = Math.min(Math.floor(chunk.length / recordBytes), count! - done);
      if (rows === 0) continue;
      const values = valuesOf(chunk.subarray(0, rows * recordBytes), header, featureType);
      if (featureType !== "u8" && onBadRecord === "fail") {
        refuseNonFinite(values, width, { where, unit: "row", firstRow: done });
      }
      const all =
        column === undefined
          ? { count: rows, features: values, labels: beside!.slice(done, done + rows) }
          : takeColumn(values, rows, column);
      const block = onBadRecord === "skip" ? finiteRowsOf(all) : all;
      for (const label of block.labels) seen.addNumber(label, done, () => String(label));
      done += rows;
      skippedRecords += rows - block.count;
      if (block.count > 0) yield block;
    }
    checkSize(bytes, count! * recordBytes, recordBytes, where, shape);
  }
  return {
    read,
    facts: () => ({
      ...{ featureShape, featureType, skippedRecords },
      labels: seen.meaningOfNumbers(where, labelKind),
    }),
  };
}

/** Images without a channel dimension have one channel. */
function imageShape(row: readonly number[]): readonly number[] {
  return row.length === 2 ? [...row, 1] : row.length === 0 ? [1] : row;
}

function columnOf({ where, header }: NpyArray, labelColumn: string): number {
  const width = header.shape.length === 2 ? header.shape[1]! : 0;
  const column = Number(labelColumn);
  if (/^\d+$/.test(labelColumn) && column < width && width > 1) return column;
  throw new SltrainError({
    code: "data-columns",
    message:
      `${where}: expected a label column of an array of rows and at least two columns, got column "${labelColumn}" of ` +
      header.shape.join(" x "),
    suggestions: ["Name the label's column by its number from 0, or save labels as an array of their own."],
  });
}

async function readLabels(
  labels: NpyArray,
  features: NpyArray,
  onBadRecord: ReadOptions["onBadRecord"],
): Promise<Float64Array> {
  const { header, where } = labels;
  const [count, ...rest] = header.shape;
  if (rowElements(rest) !== 1) throw shapeError(where, "one label a row", header.shape);
  const wanted = features.header.shape[0];
  if (count !== wanted) {
    throw new SltrainError({
      code: "data-count",
      message: `${where}: expected ${wanted} labels, one for each row of ${features.where}, got ${count}`,
      suggestions: ["Save the labels that belong to the rows."],
    });
  }
  const bytes = count! * header.type.bytes;
  if (bytes > MAX_LABEL_BYTES)
    throw shapeError(where, `at most ${MAX_LABEL_BYTES} bytes of labels`, header.shape);
  const values = new Float64Array(count!);
  let done = 0;
  let got = 0;
  const recordBytes = header.type.bytes;
  for await (const chunk of fixedRecords(labels.content(), { skipBytes: header.headerBytes, recordBytes })) {
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const rows = Math.min(Math.floor(chunk.length / recordBytes), count! - done);
    for (let i = 0; i < rows; i++) {
      values[done + i] = header.type.read(view, i * recordBytes, header.littleEndian);
    }
    done += rows;
    got += chunk.length;
  }
  checkSize(got, bytes, recordBytes, where, header.shape);
  if (onBadRecord === "fail") refuseNonFinite(values, 1, { where, unit: "row", firstRow: 0 });
  return values;
}

function valuesOf(
  records: Uint8Array<ArrayBuffer>,
  { type, littleEndian }: NpyHeader,
  to: FeatureType,
): DenseRows {
  if (to === "u8") return records;
  const length = records.length / type.bytes;
  if (littleEndian && records.byteOffset === 0) {
    if (to === "f16") return new Float16Array(records.buffer, 0, length);
    if (type.name === "f4") return new Float32Array(records.buffer, 0, length);
    if (type.name === "f8") return Float32Array.from(new Float64Array(records.buffer, 0, length));
  }
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  const values = to === "f16" ? new Float16Array(length) : new Float32Array(length);
  for (let i = 0; i < length; i++) values[i] = type.read(view, i * type.bytes, littleEndian);
  return values;
}

function takeColumn(values: DenseRows, count: number, column: number): DenseBlock {
  const width = values.length / count;
  const features =
    values instanceof Uint8Array
      ? new Uint8Array(count * (width - 1))
      : new Float32Array(count * (width - 1));
  const labels = new Float64Array(count);
  for (let row = 0, from = 0, to = 0; row < count; row++) {
    for (let j = 0; j < width; j++, from++) {
      if (j === column) labels[row] = values[from]!;
      else features[to++] = values[from]!;
    }
  }
  return { count, features, labels };
}

function checkSize(
  gotBytes: number,
  wantedBytes: number,
  rowBytes: number,
  where: string,
  shape: readonly number[],
): void {
  if (gotBytes === wantedBytes) return;
  const isShort = gotBytes < wantedBytes;
  throw new SltrainError({
    code: isShort ? "data-truncated" : "data-size",
    message:
      `${where}: expected ${wantedBytes} bytes of an array of ${shape.join(" x ")}, got ${gotBytes} bytes` +
      (isShort ? `: the array ends in row ${Math.floor(gotBytes / rowBytes)}` : ""),
    suggestions: ["Save or fetch the file again."],
  });
}

function shapeError(where: string, expected: string, shape: readonly number[]): SltrainError {
  return new SltrainError({
    code: "data-shape",
    message: `${where}: expected ${expected}, got an array of ${shape.join(" x ") || "no dimensions"}`,
    suggestions: ["Save rows as the first dimension of the array."],
  });
}
