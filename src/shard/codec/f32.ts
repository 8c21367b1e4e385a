// The exact codec: the values' own bytes, little-endian as WebAssembly's memory and every platform of Node's is.

import type { Codec } from "./codec.ts";

const BYTES = Float32Array.BYTES_PER_ELEMENT;

export const f32: Codec = {
  name: "f32",
  id: 1,
  maxEncodedBytes: (length) => length * BYTES,
  accepts: (payloadBytes, length) => payloadBytes === length * BYTES,
  encode: (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  decode(payload, out) {
    new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(payload);
  },
  add(payload, sums) {
    const values = floatsOf(payload);
    for (let i = 0; i < sums.length; i++) sums[i]! += values[i]!;
  },
};

/** A view where the alignment allows one. */
function floatsOf(payload: Uint8Array): Float32Array {
  const aligned = payload.byteOffset % BYTES === 0 ? payload : payload.slice();
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / BYTES);
}
