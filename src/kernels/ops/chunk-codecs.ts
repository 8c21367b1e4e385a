// Codecs of a chunk of gradients as they travel, in words of 32 bits, for a device that is not the host: fp16, int8 and
// top-k of src/shard/codec/ (bf16 is bf16-encode). They are not in the list of all ops: the host encodes with the codecs
// themselves, which say what they mean and are what they are tested against, bit for bit.

import type { Op } from "../op.ts";
import { elementCount, f32, i32 } from "../tensor.ts";
import { bindShapes, expectPositiveInteger } from "./shapes.ts";

export interface BlockParams {
  /** Elements that share a scale: a multiple of 64. */
  readonly blockElements: number;
}

/**
 * x[L] -> i32[W]: for each block the exponent of the power of two that takes its largest magnitude to [2^14, 2^15), then
 * the elements times that as halves, two to a word, then zeros up to an even W.
 */
export const fp16ChunkEncode: Op<BlockParams> = {
  name: "fp16-chunk-encode",
  infer(inputs, { blockElements }) {
    const { L } = bindShapes("fp16-chunk-encode", inputs, { x: "L" });
    expectPositiveInteger("fp16-chunk-encode", "blockElements", blockElements);
    return [i32(2 * Math.ceil((Math.ceil(L / blockElements) + L / 2) / 2))];
  },
  flops: (inputs) => elementCount(inputs[0]!),
  vjp: "not-differentiable",
};

/**
 * (x[L], seed i32[1]) -> i32[W]: for each block its largest magnitude / 127 as f32, then four elements to a word as bytes:
 * (floor(x / scale * 2^16) + h) / 2^16 rounded down, h the next 16 bits of the block's xorshift generator.
 */
export const int8ChunkEncode: Op<BlockParams> = {
  name: "int8-chunk-encode",
  infer(inputs, { blockElements }) {
    const { L } = bindShapes("int8-chunk-encode", inputs, { x: "L", seed: "i32 1" });
    expectPositiveInteger("int8-chunk-encode", "blockElements", blockElements);
    return [i32(Math.ceil(L / blockElements) + Math.ceil(L / 4))];
  },
  flops: (inputs) => 2 * elementCount(inputs[0]!),
  vjp: "not-differentiable",
};

export interface TopKParams {
  /** Of the elements, in 1..L. */
  readonly kept: number;
}

/**
 * (x[L], residual[L]) -> (i32[W], residual[L]). Of x + residual it keeps the largest magnitudes, of equal ones the first, as
 * bf16: the words are, for each 2^16 elements, the number of those kept, then each one's index modulo 2^16 in the lower half
 * of a word and its bf16 in the upper. The residual is what that loses. Where x, the residual or the difference is below
 * 2^-126 a device may take it for 0.
 */
export const topKChunkEncode: Op<TopKParams> = {
  name: "top-k-chunk-encode",
  infer(inputs, { kept }) {
    const { L } = bindShapes("top-k-chunk-encode", inputs, { x: "L", residual: "L" });
    expectPositiveInteger("top-k-chunk-encode", "kept", kept);
    return [i32(Math.ceil(L / 2 ** 16) + kept), f32(L)];
  },
  flops: (inputs) => elementCount(inputs[0]!),
  vjp: "not-differentiable",
};
