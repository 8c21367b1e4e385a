// Floats as integers of 8 bits, four to a word, the first in the lowest byte, with one scale for each block of elements:
// x is about q * scale, q in -127..127. A block that holds an infinity or a NaN decodes to NaNs.

import { hashName } from "../../random.ts";
import type { Op } from "../op.ts";
import { elementCount, f32, i32, type TensorType } from "../tensor.ts";
import type { DecodeParams } from "./half-precision.ts";
import { bindShapes, expectEqualExtents, expectPositiveInteger, shapeMismatch } from "./shapes.ts";

export interface Int8EncodeParams {
  /** Elements that share a scale: a multiple of 32, or no fewer than there are. */
  readonly blockElements: number;
  /** To the nearest, ties to even; or up with the probability of what is above the integer below. */
  readonly rounding: "nearest" | "stochastic";
}

export interface Int8DecodeParams extends DecodeParams {
  readonly blockElements: number;
}

/** No scale is less, so that none is 0 or has lost digits: the smallest normal float. */
export const MINIMUM_SCALE = 2 ** -126;

/** Second word of the Philox key of stochastic rounding; the first is the seed. */
export const INT8_KEY = hashName("int8");

/** Elements that share one Philox block: 16 bits each. */
export const ELEMENTS_PER_RANDOM_BLOCK = 8;

function scalesOf(op: string, length: number, blockElements: number): TensorType {
  expectPositiveInteger(op, "blockElements", blockElements);
  if (blockElements < length && blockElements % 32 !== 0)
    throw shapeMismatch(
      `${op}: blockElements = ${blockElements} but expected a multiple of 32, or at least ${length}`,
    );
  return f32(Math.ceil(length / blockElements));
}

/**
 * (x[L], counters i32[4] = [step, chunk, seed, rank] if stochastic) -> packed i32[ceil(L / 4)], scales[blocks].
 * scale = max(max|x| / 127, MINIMUM_SCALE), q = x / scale rounded. Element e rounds up if (h + 1/2) / 2^16 is less than
 * what x / scale exceeds the integer below by, h = half e % 8 (low halves first) of the Philox block with counter
 * (floor(e / 8), step, chunk, rank) and key (seed, INT8_KEY). The bytes behind the last element are 0.
 */
export const int8Encode: Op<Int8EncodeParams> = {
  name: "int8-encode",
  infer(inputs, { blockElements, rounding }) {
    const { L } =
      rounding === "stochastic"
        ? bindShapes("int8-encode", inputs, { x: "L", counters: "i32 4" })
        : bindShapes("int8-encode", inputs, { x: "L" });
    return [i32(Math.ceil(L / 4)), scalesOf("int8-encode", L, blockElements)];
  },
  flops: (inputs) => 2 * elementCount(inputs[0]!),
  vjp: "not-differentiable",
};

/** (packed i32[ceil(length / 4)], scales[blocks]) -> f32[length] = q * scale */
export const int8Decode: Op<Int8DecodeParams> = {
  name: "int8-decode",
  infer(inputs, { length, blockElements }) {
    const { W, S } = bindShapes("int8-decode", inputs, { packed: "i32 W", scales: "S" });
    expectPositiveInteger("int8-decode", "length", length);
    expectEqualExtents("int8-decode", "packed.shape[0]", W, "ceil(length / 4)", Math.ceil(length / 4));
    const [blocks] = scalesOf("int8-decode", length, blockElements).shape as [number];
    expectEqualExtents("int8-decode", "scales.shape[0]", S, "ceil(length / blockElements)", blocks);
    return [f32(length)];
  },
  flops: (_, { length }) => length,
  vjp: "not-differentiable",
};
