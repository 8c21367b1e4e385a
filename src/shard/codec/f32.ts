// The exact codec: the values' own bytes, little-endian as WebAssembly's memory and every platform of Node's is.

import type { Codec } from "./codec.ts";

const BYTES = Float32Array.BYTES_PER_ELEMENT;
/** V8 optimises what is called often; one long loop would run its first seconds in slower code (3.7 against 0.7 ns per value). */
const BLOCK = 1024;

export const f32: Codec = {
  name: "f32",
  id: 1,
  maxEncodedBytes: (length) => length * BYTES,
  accepts: (payloadBytes, length) => payloadBytes === length * BYTES,
  encode: (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  decode(payload, out) {
    new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(payload);
  },
  accumulate(payload, sums, mode) {
    const values = floatsOf(payload);
    if (mode === "set") {
      sums.set(values);
      return;
    }
    for (let begin = 0; begin < sums.length; begin += BLOCK) {
      addBlock(values, sums, begin, Math.min(begin + BLOCK, sums.length));
    }
  },
};

function addBlock(values: Float32Array, sums: Float64Array, begin: number, end: number): void {
  for (let i = begin; i < end; i++) sums[i]! += values[i]!;
}

/** A view where the alignment allows one. */
function floatsOf(payload: Uint8Array): Float32Array {
  const aligned = payload.byteOffset % BYTES === 0 ? payload : payload.slice();
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / BYTES);
}
