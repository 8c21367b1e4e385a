// IDX: big-endian arrays with a type byte and dimensions, the format of MNIST (LeCun, "The MNIST database", file formats).

import { SltrainError } from "../../errors.ts";
import type { Table } from "../dataset.ts";

export interface IdxArray {
  readonly dims: readonly number[];
  /** Row-major. Integers wider than a byte become i32, floats become f32. */
  readonly values: Uint8Array | Int32Array | Float32Array;
}

interface IdxType {
  readonly name: string;
  readonly bytes: number;
  readonly allocate: (length: number) => Int32Array | Float32Array;
  readonly read: (view: DataView, offset: number) => number;
}

const i32 = (length: number) => new Int32Array(length);
const f32 = (length: number) => new Float32Array(length);

const TYPES: Readonly<Record<number, IdxType>> = {
  0x08: { name: "u8", bytes: 1, allocate: i32, read: (view, at) => view.getUint8(at) },
  0x09: { name: "i8", bytes: 1, allocate: i32, read: (view, at) => view.getInt8(at) },
  0x0b: { name: "i16", bytes: 2, allocate: i32, read: (view, at) => view.getInt16(at) },
  0x0c: { name: "i32", bytes: 4, allocate: i32, read: (view, at) => view.getInt32(at) },
  0x0d: { name: "f32", bytes: 4, allocate: f32, read: (view, at) => view.getFloat32(at) },
  0x0e: { name: "f64", bytes: 8, allocate: f32, read: (view, at) => view.getFloat64(at) },
};
const U8 = 0x08;

/** Whether the content begins like an IDX file: two zero bytes, which no text has. */
export function looksLikeIdx(content: Uint8Array): boolean {
  return content[0] === 0 && content[1] === 0;
}

/** @throws SltrainError "data-magic", "data-truncated", "data-size" or "data-nan" naming the file and the record. */
export function readIdx(content: Uint8Array, path: string): IdxArray {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const type = content.length >= 4 && looksLikeIdx(content) ? TYPES[content[2]!] : undefined;
  const rank = content[3] ?? 0;
  if (!type || rank === 0) {
    throw new SltrainError({
      code: "data-magic",
      message:
        `${path}: expected IDX magic 00 00, a type (${hex([...Object.keys(TYPES).map(Number)])}) and a number of ` +
        `dimensions above 0, got ${hex([...content.subarray(0, 4)]) || "an empty file"}`,
      suggestions: ["Give an IDX or CSV file, either of them also as .gz."],
    });
  }
  const headerBytes = 4 + 4 * rank;
  if (content.length < headerBytes) {
    throw sizeError(path, `a header of ${headerBytes} bytes`, `${content.length} bytes`, "data-truncated");
  }
  const dims = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const elements = dims.reduce((product, size) => product * size, 1);
  checkSize(content.length - headerBytes, dims, elements * type.bytes, path);
  if (content[2] === U8) return { dims, values: content.subarray(headerBytes) };
  const values = type.allocate(elements);
  for (let i = 0; i < elements; i++) values[i] = type.read(view, headerBytes + i * type.bytes);
  refuseNonFinite(values, dims, path);
  return { dims, values };
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

function refuseNonFinite(values: Int32Array | Float32Array, dims: readonly number[], path: string): void {
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return;
  const rowElements = values.length / dims[0]!;
  throw new SltrainError({
    code: "data-nan",
    message:
      `${path}: record ${Math.floor(bad / rowElements)}, element ${bad % rowElements}: ` +
      `expected a finite f32 number, got ${values[bad]}`,
    suggestions: ["Remove the record or replace the value."],
  });
}

/**
 * Images or rows and their labels as a table. Integer labels are class indices; float labels are regression targets.
 * @param classes how many classes there are; without it, one more than the highest label
 * @throws SltrainError "data-count" or "data-label" naming the file and the record.
 */
export function idxTable(
  images: IdxArray & { readonly path: string },
  labels: IdxArray & { readonly path: string },
  classes?: number,
): Table {
  const [count = 0, ...shape] = images.dims;
  if (labels.dims.length !== 1 || labels.dims[0] !== count) {
    throw new SltrainError({
      code: "data-count",
      message: `${labels.path}: expected ${count} labels, one for each record of ${images.path}, got ${labels.dims.join(" x ")}`,
      suggestions: ["Give the label file that belongs to the images."],
    });
  }
  const { values } = images;
  const features = values instanceof Int32Array ? Float32Array.from(values) : values;
  // Images without a channel dimension have one channel.
  const featureShape = shape.length === 2 ? [...shape, 1] : shape.length === 0 ? [1] : shape;
  if (labels.values instanceof Float32Array) {
    return { featureShape, features, labels: labels.values, classes: 0 };
  }
  const indices = Int32Array.from(labels.values);
  const bound = classes ?? indices.reduce((highest, label) => Math.max(highest, label), 0) + 1;
  const bad = indices.findIndex((label) => label < 0 || label >= bound);
  if (bad >= 0) {
    throw new SltrainError({
      code: "data-label",
      message: `${labels.path}: record ${bad}: expected a label in 0..${bound - 1}, got ${indices[bad]}`,
      suggestions: ["Number the classes from 0."],
    });
  }
  return { featureShape, features, labels: indices, classes: bound };
}

function hex(bytes: readonly number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
