// What every driver's `get` agrees on: which bytes of an object are meant, and where they go.

import { SltrainError } from "../errors.ts";
import type { GetRef } from "./storage.ts";

/** Bytes [begin, end) that `ref` means of an object of `sizeBytes`. Throws "range-invalid" if they are not all there. */
export function resolveRange(
  ref: GetRef,
  sizeBytes: number,
): { readonly begin: number; readonly end: number } {
  const { begin, end } = ref.range ?? { begin: 0, end: sizeBytes };
  if (Number.isInteger(begin) && Number.isInteger(end) && begin >= 0 && begin <= end && end <= sizeBytes) {
    return { begin, end };
  }
  throw new SltrainError({
    code: "range-invalid",
    message: `storage get ${ref.key}: expected a range within ${sizeBytes} bytes, but got [${begin}, ${end})`,
  });
}

/** The start of `into`, or new memory. Throws "value-too-large". */
export function destination(ref: GetRef, sizeBytes: number, into: Uint8Array | undefined): Uint8Array {
  if (into === undefined) return new Uint8Array(sizeBytes);
  if (sizeBytes <= into.byteLength) return into.subarray(0, sizeBytes);
  throw new SltrainError({
    code: "value-too-large",
    message: `storage get ${ref.key}: expected at most ${into.byteLength} bytes, but the object has ${sizeBytes}`,
  });
}
