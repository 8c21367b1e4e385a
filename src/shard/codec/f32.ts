// The values themselves (little-endian, as WebAssembly's memory and every platform of Node's is): nothing is lost, and
// nothing is done. zstd finds nothing in it either; f32-planes.ts has what it can use.

import { AT, bytesOf, copyAll, copyIn } from "../simd/window.ts";
import type { UnbiasedCodec } from "./codec.ts";
import { f32Planes } from "./f32-planes.ts";

const VALUE_BYTES = 4;
const nothing = new Uint8Array(0);

export const f32: UnbiasedCodec = {
  name: "f32",
  id: 3,
  parameter: 0,
  exact: true,
  keepsF32: true,
  biased: false,
  shuffled: f32Planes,
  restBytes: (length) => length * VALUE_BYTES,
  maxCompressibleBytes: () => 0,
  accepts: (compressibleBytes) => compressibleBytes === 0,
  encode: (values) => ({ rest: bytesOf(values), compressible: nothing }),
  decode: ({ rest }, out) => copyAll(rest, bytesOf(out)),
  reader:
    ({ rest }) =>
    (begin, end) =>
      copyIn(AT.values, rest, begin * VALUE_BYTES, end * VALUE_BYTES),
};
