// The safetensors format (github.com/huggingface/safetensors, "Format"): 8 bytes of header length, a JSON header,
// then the tensors' bytes without a hole. Little-endian throughout, as are all machines that sltrain runs on.

import { SltrainError, assert } from "../errors.ts";
import {
  elements,
  LENGTH_BYTES,
  METADATA_KEY,
  parseSafetensorsHeader,
  safetensorsHeaderEnd,
} from "./safetensors-header.ts";
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
  const headerEnd = safetensorsHeaderEnd(bytes.subarray(0, LENGTH_BYTES), bytes.length, fail);
  const body = bytes.subarray(headerEnd);
  const header = bytes.subarray(LENGTH_BYTES, headerEnd);
  const { entries, metadata } = parseSafetensorsHeader(header, body.length, elementBytes, fail);
  const tensors = new Map(
    entries.map(({ name, dtype, shape, begin, end }) => [
      name,
      { name, shape, data: typed(dtype as SafetensorsDType, body.subarray(begin, end)) },
    ]),
  );
  return { tensors, metadata };
}

const elementBytes = Object.fromEntries(dtypes.map((dtype) => [dtype, arrays[dtype].BYTES_PER_ELEMENT]));

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
 * The layout's tensors out of a file in the flat vector `into` (a new one by default, whose padding is 0), which is returned; the
 * file's other tensors are left. Throws
 * SltrainError "parameters-mismatch" naming a tensor that is absent, of another shape or not f32.
 */
export function tensorsInto(
  { tensors }: Safetensors,
  layout: Layout,
  where: string,
  into: Float32Array = new Float32Array(layout.length),
): Float32Array {
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
    into.set(tensor.data, offset);
  }
  return into;
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
