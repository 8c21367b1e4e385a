// What all kinds of feature rows have in common, so that blocks, spill files and batches need not ask which it is.

import { SltrainError } from "../errors.ts";
import type { CsrRows, DenseRows, FeatureRows, FeatureType } from "./rows.ts";

export function isSparse(features: FeatureRows): features is CsrRows {
  return "rowStarts" in features;
}

export function featureTypeOf(features: FeatureRows): FeatureType {
  if (isSparse(features)) return "csr";
  if (features instanceof Uint8Array) return "u8";
  return features instanceof Float32Array ? "f32" : "f16";
}

/** Of one dense value. */
export const VALUE_BYTES: Readonly<Record<Exclude<FeatureType, "csr">, number>> = { u8: 1, f16: 2, f32: 4 };

/** A new array of `length` zeros. @throws SltrainError "runtime-too-old" for "f16" where Node has no Float16Array */
export function denseArray(type: Exclude<FeatureType, "csr">, length: number): DenseRows {
  if (type === "u8") return new Uint8Array(length);
  refuseWithoutHalves(type);
  return type === "f16" ? new Float16Array(length) : new Float32Array(length);
}

/** A view of `length` dense values in `bytes` from `at` on, which must be a multiple of their size in its buffer. */
export function denseView(
  type: Exclude<FeatureType, "csr">,
  bytes: Uint8Array,
  at: number,
  length: number,
): DenseRows {
  const begin = bytes.byteOffset + at;
  refuseWithoutHalves(type);
  if (type === "u8") return new Uint8Array(bytes.buffer, begin, length);
  return type === "f16"
    ? new Float16Array(bytes.buffer, begin, length)
    : new Float32Array(bytes.buffer, begin, length);
}

function refuseWithoutHalves(type: FeatureType): void {
  if (type !== "f16" || "Float16Array" in globalThis) return;
  throw new SltrainError({
    code: "runtime-too-old",
    message: `expected Node 24 or newer to read features of 16 bits, got Node ${process.versions.node}`,
    suggestions: ["Run sltrain on Node 24, or import the data as f32."],
  });
}

/** The arrays that the rows lie in, in the order in which they are stored. */
export function partsOf(features: FeatureRows): readonly ArrayBufferView[] {
  return isSparse(features) ? [features.rowStarts, features.columns, features.values] : [features];
}

export function sizeBytesOf(features: FeatureRows): number {
  return partsOf(features).reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/** The array's memory as bytes. */
export function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** Frees now what the collector would free later, when there is more of it. Nothing else may lie in the arrays' memory. */
export function freeMemory(arrays: readonly ArrayBufferView[]): void {
  for (const { buffer } of arrays) if (buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0);
}
