// The safetensors format (github.com/huggingface/safetensors, "Format"): 8 bytes of header length, a JSON header,
// then the tensors' bytes without a hole. Little-endian throughout, as are all machines that sltrain runs on.

import { SltrainError, assert } from "../errors.ts";
import { sha256 } from "../sha256.ts";
import type { Layout } from "../shard/layout.ts";

export type SafetensorsData = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array;

export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Row-major; its kind of array is the dtype. */
  readonly data: SafetensorsData;
}

export interface Safetensors {
  readonly tensors: ReadonlyMap<string, NamedTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

const arrays = {
  F64: Float64Array,
  I64: BigInt64Array,
  F32: Float32Array,
  I32: Int32Array,
  U8: Uint8Array,
} as const;
type SafetensorsDType = keyof typeof arrays;

/** By falling size of an element: tensors written in this order are all aligned. */
const dtypes = Object.keys(arrays) as readonly SafetensorsDType[];

const LENGTH_BYTES = 8;
/** The format's own limit, against headers that would exhaust a reader. */
const MAX_HEADER_BYTES = 100_000_000;
const METADATA_KEY = "__metadata__";

/**
 * The file as parts to be written one after the other. Parts are views of the tensors: they must not change before
 * the parts are written. Equal input gives equal bytes.
 */
export function encodeSafetensors(
  tensors: readonly NamedTensor[],
  metadata: Readonly<Record<string, string>> = {},
): readonly Uint8Array[] {
  const ordered = dtypes.flatMap((dtype) => tensors.filter(({ data }) => data instanceof arrays[dtype]));
  const header: [string, unknown][] = Object.keys(metadata).length === 0 ? [] : [[METADATA_KEY, metadata]];
  let end = 0;
  for (const { name, shape, data } of ordered) {
    assert(
      elements(shape) === data.length,
      `${name} has ${data.length} elements, not the shape's [${shape.join()}]`,
    );
    assert(
      name !== METADATA_KEY && !header.some(([other]) => other === name),
      `tensor name ${name} is taken`,
    );
    const dtype = dtypes.find((candidate) => data instanceof arrays[candidate])!;
    const begin = end;
    end += data.byteLength;
    header.push([name, { dtype, shape, data_offsets: [begin, end] }]);
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  // Spaces up to a multiple of 8, so that the tensors are aligned.
  const front = Buffer.alloc(LENGTH_BYTES + Math.ceil(json.length / 8) * 8, " ");
  front.writeBigUInt64LE(BigInt(front.length - LENGTH_BYTES));
  json.copy(front, LENGTH_BYTES);
  return [front, ...ordered.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength))];
}

/**
 * Reads a whole file; tensors are views of `bytes` where they are aligned in memory, otherwise copies. `where` names
 * the file in messages. Throws SltrainError "safetensors-damaged" naming file, tensor and what was expected.
 */
export function decodeSafetensors(bytes: Uint8Array, where: string): Safetensors {
  const fail = (message: string, cause?: unknown): never => {
    throw new SltrainError({ code: "safetensors-damaged", message: `${where}: ${message}`, cause });
  };
  if (bytes.length < LENGTH_BYTES) {
    fail(`expected at least ${LENGTH_BYTES} bytes, got ${bytes.length}`);
  }
  const stated = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  const limit = Math.min(bytes.length - LENGTH_BYTES, MAX_HEADER_BYTES);
  if (stated > BigInt(limit)) fail(`expected a header of at most ${limit} bytes, its length says ${stated}`);

  const headerEnd = LENGTH_BYTES + Number(stated);
  const header = parseHeader(bytes.subarray(LENGTH_BYTES, headerEnd), fail);
  const body = bytes.subarray(headerEnd);
  const tensors = new Map<string, NamedTensor>();
  let metadata: Readonly<Record<string, string>> = {};
  const ranges: { name: string; begin: number; end: number }[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === METADATA_KEY) {
      metadata = readMetadata(entry, fail);
      continue;
    }
    const { dtype, shape, begin, end } = readEntry(name, entry, body.length, fail);
    tensors.set(name, { name, shape, data: typed(dtype, body.subarray(begin, end)) });
    ranges.push({ name, begin, end });
  }

  // Neither holes nor overlaps: what no tensor covers is damage (a lost name, say), and so is what two share.
  let covered = 0;
  for (const { name, begin, end } of ranges.sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== covered)
      fail(`expected tensor ${name} to begin at byte ${covered} of the data, it begins at ${begin}`);
    covered = end;
  }
  if (covered !== body.length) fail(`expected ${covered} bytes of data, got ${body.length}`);
  return { tensors, metadata };
}

type Fail = (message: string, cause?: unknown) => never;

function parseHeader(bytes: Uint8Array, fail: Fail): object {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    fail(`the header is no JSON: ${(cause as Error).message}`, cause);
  }
  if (bytes[0] !== "{".charCodeAt(0) || !isRecord(header)) return fail("the header is no JSON object");
  return header;
}

function readMetadata(entry: unknown, fail: Fail): Readonly<Record<string, string>> {
  if (!isRecord(entry)) return fail(`${METADATA_KEY} is no object`);
  const bad = Object.keys(entry).find((key) => typeof entry[key] !== "string");
  if (bad !== undefined) {
    fail(`expected a string for ${METADATA_KEY}.${bad}, got ${JSON.stringify(entry[bad])}`);
  }
  return entry as Readonly<Record<string, string>>;
}

function readEntry(name: string, entry: unknown, bodyBytes: number, fail: Fail) {
  const got = `tensor ${name}: got ${JSON.stringify(entry)}`;
  const {
    dtype,
    shape,
    data_offsets: offsets,
  } = isRecord(entry) ? entry : fail(`${got}: expected an object`);
  if (typeof dtype !== "string" || !isDType(dtype))
    return fail(`${got}: expected a dtype of ${dtypes.join(", ")}`);
  if (!isCounts(shape)) return fail(`${got}: expected a shape of whole numbers`);
  if (!isCounts(offsets) || offsets.length !== 2) return fail(`${got}: expected data_offsets [begin, end]`);
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > bodyBytes)
    return fail(`${got}: expected offsets within the ${bodyBytes} bytes of data`);
  const expected = elements(shape) * arrays[dtype].BYTES_PER_ELEMENT;
  if (end - begin !== expected)
    return fail(`${got}: expected ${expected} bytes for this shape, not ${end - begin}`);
  return { dtype, shape, begin, end };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isDType(name: string): name is SafetensorsDType {
  return Object.hasOwn(arrays, name);
}

function isCounts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((extent) => Number.isSafeInteger(extent) && extent >= 0);
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** A view where memory is aligned, else a copy (which a Buffer's own `slice` would not be). */
function typed(dtype: SafetensorsDType, bytes: Uint8Array): SafetensorsData {
  const elementBytes = arrays[dtype].BYTES_PER_ELEMENT;
  const { buffer, byteOffset, byteLength } =
    bytes.byteOffset % elementBytes === 0 ? bytes : new Uint8Array(bytes);
  // TypeScript cannot call a union of constructors; these differ in the element alone.
  return new (arrays[dtype] as Float32ArrayConstructor)(buffer, byteOffset, byteLength / elementBytes);
}

/** The layout's tensors as views of the flat `vector`, in its order; padding stays behind. */
export function tensorsOf(
  vector: Float32Array,
  layout: Layout,
): readonly (NamedTensor & { data: Float32Array })[] {
  return layout.entries.map(({ name, shape, offset, length }) => ({
    name,
    shape,
    data: vector.subarray(offset, offset + length),
  }));
}

/**
 * A new flat vector with the layout's tensors out of a file; padding is 0, the file's other tensors are left. Throws
 * SltrainError "parameters-mismatch" naming a tensor that is absent, of another shape or not f32.
 */
export function tensorsInto({ tensors }: Safetensors, layout: Layout, where: string): Float32Array {
  const vector = new Float32Array(layout.length);
  for (const { name, shape, offset } of layout.entries) {
    const tensor = tensors.get(name);
    if (!(tensor?.data instanceof Float32Array) || tensor.shape.join() !== shape.join()) {
      const got = tensor
        ? `${tensor.data.constructor.name} [${tensor.shape.join()}]`
        : [...tensors.keys()].join(", ");
      throw new SltrainError({
        code: "parameters-mismatch",
        message: `${where}: expected tensor ${name} Float32Array [${shape.join()}], got ${got || "no tensor"}`,
        suggestions: ["Use the model.json that these parameters were trained with."],
      });
    }
    vector.set(tensor.data, offset);
  }
  return vector;
}

/** A tensor of f32. */
export interface FloatTensor extends NamedTensor {
  readonly data: Float32Array;
}

/**
 * The tensors of these names and shapes, in their order. Throws SltrainError "parameters-mismatch" naming `where` and all that
 * are missing, of another shape or not f32.
 */
export function pickTensors(
  tensors: ReadonlyMap<string, NamedTensor>,
  expected: readonly { readonly name: string; readonly shape: readonly number[] }[],
  where: string,
): readonly FloatTensor[] {
  const wrong: string[] = [];
  const picked = expected.flatMap(({ name, shape }) => {
    const tensor = tensors.get(name);
    if (tensor?.data instanceof Float32Array && tensor.shape.join() === shape.join())
      return [{ name, shape, data: tensor.data }];
    const got = tensor ? `${tensor.data.constructor.name} [${tensor.shape.join()}]` : "none";
    wrong.push(`${name} Float32Array [${shape.join()}], got ${got}`);
    return [];
  });
  if (wrong.length === 0) return picked;
  throw new SltrainError({
    code: "parameters-mismatch",
    message: `${where}: expected tensor ${wrong.join("; ")}`,
    suggestions: ["Use the model.json that these parameters were trained with."],
  });
}

/** Hex SHA-256 of the tensors' bytes in their order: equal for equal models. */
export function tensorsSha256(tensors: readonly NamedTensor[]): string {
  const hash = sha256();
  for (const { data } of tensors) hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return hash.digest("hex");
}
