// Arithmetic on the parts of a value: what a put is given, and what a store with small items takes.

import { SltrainError } from "../errors.ts";

export function totalBytes(parts: readonly Uint8Array[]): number {
  return parts.reduce((total, part) => total + part.byteLength, 0);
}

/** The bytes of a put, if the store can hold them. Throws "value-too-large". */
export function bytesWithin(maxValueBytes: number, key: string, parts: readonly Uint8Array[]): number {
  const sizeBytes = totalBytes(parts);
  if (sizeBytes <= maxValueBytes) return sizeBytes;
  throw new SltrainError({
    code: "value-too-large",
    message: `storage put ${key}: expected at most the ${maxValueBytes} bytes that the store can hold, but got ${sizeBytes}`,
  });
}

/** The concatenation of `parts` as views of them, `sizeBytes` in each slice but the last. */
export function slices(parts: readonly Uint8Array[], sizeBytes: number): Uint8Array[][] {
  const result: Uint8Array[][] = [];
  let roomBytes = 0;
  for (const part of parts) {
    for (let begin = 0; begin < part.byteLength;) {
      if (roomBytes === 0) {
        result.push([]);
        roomBytes = sizeBytes;
      }
      const view = part.subarray(begin, begin + roomBytes);
      result.at(-1)!.push(view);
      begin += view.byteLength;
      roomBytes -= view.byteLength;
    }
  }
  return result;
}
