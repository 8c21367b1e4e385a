// The values themselves (little-endian, as WebAssembly's memory and every platform of Node's is): nothing is lost, and
// nothing is done. zstd finds nothing in it either; f32-planes.ts has what it can use.

import { floatsOf, inBlocks } from "./blocks.ts";
import type { UnbiasedCodec } from "./codec.ts";
import { bytesOf, copyAll } from "../simd/window.ts";
import { f32Planes } from "./f32-planes.ts";

const VALUE_BYTES = 4;
const BLOCK = 1024;
const nothing = new Uint8Array(0);

export const f32: UnbiasedCodec = {
  name: "f32",
  id: 3,
  parameter: 0,
  exact: true,
  biased: false,
  shuffled: f32Planes,
  restBytes: (length) => length * VALUE_BYTES,
  maxCompressibleBytes: () => 0,
  accepts: (compressibleBytes) => compressibleBytes === 0,
  encode: (values) => ({ rest: bytesOf(values), compressible: nothing }),
  decode: ({ rest }, out) => copyAll(rest, bytesOf(out)),
  accumulate({ rest }, sums, mode) {
    const values = floatsOf(rest, sums.length);
    if (mode === "set") sums.set(values);
    else inBlocks(sums.length, BLOCK, (begin, end) => add(values, sums, begin, end));
  },
};

function add(values: Float32Array, sums: Float64Array, begin: number, end: number): void {
  for (let i = begin; i < end; i++) sums[i]! += values[i]!;
}
