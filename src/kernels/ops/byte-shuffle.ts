// The bytes of words sorted by their place in the word: first all lowest bytes, ..., at last all highest ones. Signs and
// exponents come to lie side by side, where an entropy coder finds them alike.

import type { Op } from "../op.ts";
import { elementCount, i32 } from "../tensor.ts";
import type { NoParams } from "./elementwise.ts";
import type { DecodeParams } from "./half-precision.ts";
import { bindShapes, expectEqualExtents, expectPositiveInteger } from "./shapes.ts";

/** Words of each of the four planes of `length` words. */
export function planeWords(length: number): number {
  return Math.ceil(length / 4);
}

/** words i32[L] -> planes i32[4 ceil(L / 4)]; byte e of plane k is byte k of word e, bytes behind the last are 0 */
export const byteShuffle: Op<NoParams> = {
  name: "byte-shuffle",
  infer(inputs) {
    const { L } = bindShapes("byte-shuffle", inputs, { words: "i32 L" });
    return [i32(4 * planeWords(L))];
  },
  flops: (inputs) => elementCount(inputs[0]!),
  vjp: "not-differentiable",
};

/** planes i32[4 ceil(length / 4)] -> words i32[length] */
export const byteUnshuffle: Op<DecodeParams> = {
  name: "byte-unshuffle",
  infer(inputs, { length }) {
    const { W } = bindShapes("byte-unshuffle", inputs, { planes: "i32 W" });
    expectPositiveInteger("byte-unshuffle", "length", length);
    const where = "4 ceil(length / 4)";
    expectEqualExtents("byte-unshuffle", "planes.shape[0]", W, where, 4 * planeWords(length));
    return [i32(length)];
  },
  flops: (_, { length }) => length,
  vjp: "not-differentiable",
};
