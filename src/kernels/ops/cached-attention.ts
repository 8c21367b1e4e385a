// Causal self-attention of one position each, over what earlier positions have left: text that is written a token at a time
// needs no row twice.

import type { Op } from "../op.ts";
import { f32, type TensorType } from "../tensor.ts";
import type { AttentionExtents, CausalAttentionParams } from "./causal-attention.ts";
import { attentionExtents } from "./causal-attention.ts";
import { bindShapes, expectEqualExtents } from "./shapes.ts";

const NAME = "cached-attention";

/** Of `past`: `positions` is T. */
export function cachedAttentionExtents(
  inputs: readonly TensorType[],
  params: CausalAttentionParams,
): AttentionExtents {
  const { E, F } = bindShapes(NAME, inputs, { qkv: "B E", past: "B T F", positions: "i32 B" });
  expectEqualExtents(NAME, "qkv.shape[1]", E, "past.shape[2]", F);
  return attentionExtents(NAME, inputs[1]!, params);
}

/**
 * (qkv[B,3D], past[B,T,3D], positions i32[B]) -> y[B,D]: row t of `causal-attention` of past with qkv in row t, for t =
 * positions[b]. Of past only the rows before t are read; what is not in 0..T sees T of them.
 */
export const cachedAttention: Op<CausalAttentionParams> = {
  name: NAME,
  infer(inputs, params) {
    const { batch, width } = cachedAttentionExtents(inputs, params);
    return [f32(batch, width)];
  },
  /** At the last position. */
  flops(inputs, params) {
    const { batch, positions, width, heads } = cachedAttentionExtents(inputs, params);
    return batch * (positions + 1) * (4 * width + 4 * heads);
  },
  vjp: "not-differentiable",
};
