// f32 values in two planes. The high byte of an f32 (sign and 7 bits of exponent) is nearly the same in all values of a
// gradient, the three below are noise: so `compressible` is the high byte of each value, `rest` the three others
// (little-endian, as WebAssembly's memory and every platform of Node's is), both in the order of the values.

import { i32, shuffle8, v128, type I32, type V128 } from "../../wasm/instructions.ts";
import { addressOf, blockKernel } from "../simd/passes.ts";
import { AT, copyIn, copyOut, inWindow } from "../simd/window.ts";
import { decodeBlocks, encodeBlocks } from "./blocks.ts";
import type { Encoded, UnbiasedCodec } from "./codec.ts";

const VALUE_BYTES = 4;
const REST_BYTES = 3;
const PASS_VALUES = 16;
const VECTOR_BYTES = 16;
/** Of a pair of vectors. */
const SECOND = VECTOR_BYTES;

/** Where the twelve low bytes of four values are in their vector. */
const low = [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14];
const high = [3, 7, 11, 15];
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
const timesThree = (value: I32): I32 => i32.mul(value, REST_BYTES);
const inSecond = (bytes: readonly number[]): number[] => bytes.map((byte) => SECOND + byte);

// Four vectors of values are three of low bytes and one of high ones: the four dozens of low bytes follow each other.

const kernels = inWindow({
  /** values -> low, high */
  split: blockKernel("split", PASS_VALUES, (f, first) => {
    const { from, to } = f.named("i32", ["from", "to"]);
    const { a, b, c, d, ab, cd } = f.named("v128", ["a", "b", "c", "d", "ab", "cd"]);
    const eight = [...high, ...inSecond(high)];
    const firstEight = range(0, 8);
    return {
      pass: [
        from.set(addressOf(first, VALUE_BYTES)),
        to.set(timesThree(first)),
        [a, b, c, d].map((vector, j) => vector.set(v128.load(from, AT.values + j * VECTOR_BYTES))),
        [
          shuffle8(a, b, [...low, ...inSecond(low.slice(0, 4))]),
          shuffle8(b, c, [...low.slice(4), ...inSecond(low.slice(0, 8))]),
          shuffle8(c, d, [...low.slice(8), ...inSecond(low)]),
        ].map((vector, j) => v128.store(to, vector, AT.low + j * VECTOR_BYTES)),
        ab.set(shuffle8(a, b, [...eight, ...eight])),
        cd.set(shuffle8(c, d, [...eight, ...eight])),
        v128.store(first, shuffle8(ab, cd, [...firstEight, ...inSecond(firstEight)]), AT.high),
      ],
    };
  }),
  /** low, high -> values */
  join: blockKernel("join", PASS_VALUES, (f, first) => {
    const { from, to } = f.named("i32", ["from", "to"]);
    const { a, b, c, top } = f.named("v128", ["a", "b", "c", "top"]);
    /** Each in the first twelve bytes. */
    const dozens: readonly V128[] = [
      a,
      shuffle8(a, b, range(12, 28)),
      shuffle8(b, c, range(8, 24)),
      shuffle8(c, c, range(4, 20)),
    ];
    return {
      pass: [
        from.set(timesThree(first)),
        to.set(addressOf(first, VALUE_BYTES)),
        [a, b, c].map((vector, j) => vector.set(v128.load(from, AT.low + j * VECTOR_BYTES))),
        top.set(v128.load(first, AT.high)),
        dozens.map((dozen, j) => {
          const bytes = [0, 1, 2, 3].flatMap((i) => [3 * i, 3 * i + 1, 3 * i + 2, SECOND + 4 * j + i]);
          return v128.store(to, shuffle8(dozen, top, bytes), AT.values + j * VECTOR_BYTES);
        }),
      ],
    };
  }),
});

const reader =
  ({ rest, compressible }: Encoded) =>
  (begin: number, end: number): void => {
    copyIn(AT.low, rest, begin * REST_BYTES, end * REST_BYTES);
    copyIn(AT.high, compressible, begin, end);
    kernels().join(end - begin);
  };

export const f32Planes: UnbiasedCodec = {
  name: "f32",
  id: 2, // 1 had all four bytes together
  parameter: 0,
  exact: true,
  keepsF32: true,
  biased: false,
  restBytes: (length) => length * REST_BYTES,
  maxCompressibleBytes: (length) => length,
  accepts: (compressibleBytes, length) => compressibleBytes === length,
  encode(values, room) {
    encodeBlocks(values, (begin, end) => {
      kernels().split(end - begin);
      copyOut(room.rest, begin * REST_BYTES, AT.low, (end - begin) * REST_BYTES);
      copyOut(room.compressible, begin, AT.high, end - begin);
    });
    return room;
  },
  decode: (encoded, out) => decodeBlocks(reader(encoded), out),
  reader,
};
