// Floats of 16 bits, two to a word, the first in the low half: bf16 (8 bits of exponent, 7 of mantissa) and IEEE 754's
// binary16 (5 and 10). Rounding is to the nearest, ties to even; too large becomes infinite; a NaN stays a quiet NaN.

import type { Op } from "../op.ts";
import { elementCount, f32, i32 } from "../tensor.ts";
import type { NoParams } from "./elementwise.ts";
import { bindShapes, expectEqualExtents, expectPositiveInteger } from "./shapes.ts";

export interface DecodeParams {
  /** Elements of the result: the words alone don't tell. */
  readonly length: number;
}

function encodeOp(name: string): Op<NoParams> {
  return {
    name,
    infer(inputs) {
      const { L } = bindShapes(name, inputs, { x: "L" });
      return [i32(Math.ceil(L / 2))];
    },
    flops: (inputs) => elementCount(inputs[0]!),
    vjp: "not-differentiable",
  };
}

function decodeOp(name: string): Op<DecodeParams> {
  return {
    name,
    infer(inputs, { length }) {
      const { W } = bindShapes(name, inputs, { packed: "i32 W" });
      expectPositiveInteger(name, "length", length);
      expectEqualExtents(name, "packed.shape[0]", W, "ceil(length / 2)", Math.ceil(length / 2));
      return [f32(length)];
    },
    flops: (_, { length }) => length,
    vjp: "not-differentiable",
  };
}

/** x[L] -> i32[ceil(L / 2)]; the half behind an odd length is 0 */
export const bf16Encode = encodeOp("bf16-encode");

/** packed i32[ceil(length / 2)] -> f32[length], exact */
export const bf16Decode = decodeOp("bf16-decode");

/** x[L] -> i32[ceil(L / 2)]; the half behind an odd length is 0 */
export const f16Encode = encodeOp("f16-encode");

/** packed i32[ceil(length / 2)] -> f32[length], exact */
export const f16Decode = decodeOp("f16-decode");
