// Causal self-attention of several heads (A. Vaswani et al., "Attention is all you need", 2017, 3.2), and its gradient. A
// position sees itself and those before it. Of the forward pass only the rows' log-sum-exp is kept, from which the backward
// pass makes the probabilities again (T. Dao et al., "FlashAttention", 2022): T floats a head instead of T^2.

import { assert } from "../../errors.ts";
import type { Op } from "../op.ts";
import { elementCount, f32, type TensorType } from "../tensor.ts";
import { bindShapes, expectEqualExtents, expectPositiveInteger, shapeMismatch } from "./shapes.ts";

export interface CausalAttentionParams {
  readonly heads: number;
}

export interface AttentionExtents {
  readonly batch: number;
  /** T */
  readonly positions: number;
  /** D: features of all heads. */
  readonly width: number;
  readonly heads: number;
  /** D / heads */
  readonly headWidth: number;
}

/** Throws SltrainError "shape-mismatch" where the last axis of qkv is not three times a multiple of `heads`. */
export function attentionExtents(
  op: string,
  qkv: TensorType,
  { heads }: CausalAttentionParams,
): AttentionExtents {
  const { B: batch, T: positions, E: features } = bindShapes(op, [qkv], { qkv: "B T E" });
  expectPositiveInteger(op, "heads", heads);
  if (features % (3 * heads) !== 0)
    throw shapeMismatch(`${op}: qkv.shape[2] = ${features} but expected a multiple of 3 x ${heads} heads`);
  const width = features / 3;
  return { batch, positions, width, heads, headWidth: width / heads };
}

/** Pairs of a position and one that it sees. */
function visiblePairs({ batch, positions }: AttentionExtents): number {
  return (batch * positions * (positions + 1)) / 2;
}

/**
 * qkv[B,T,3D] -> (y[B,T,D], logSumExp[B,heads,T]). A row of qkv is q, k and v of all heads, one head behind the other. With
 * s_ij = q_i k_j / sqrt(D / heads) for j <= i: logSumExp_i = ln sum_j exp s_ij and y_i = sum_j exp(s_ij - logSumExp_i) v_j.
 * logSumExp has no gradient of its own.
 */
export const causalAttention: Op<CausalAttentionParams> = {
  name: "causal-attention",
  infer(inputs, params) {
    bindShapes("causal-attention", inputs, { qkv: "B T E" });
    const { batch, positions, width, heads } = attentionExtents("causal-attention", inputs[0]!, params);
    return [f32(batch, positions, width), f32(batch, heads, positions)];
  },
  flops(inputs, params) {
    const extents = attentionExtents("causal-attention", inputs[0]!, params);
    return visiblePairs(extents) * (4 * extents.width + 4 * extents.heads);
  },
  vjp: ({ inputs, outputs, outputGrads, params, add }) => {
    const [dy, dLogSumExp] = outputGrads;
    assert(
      dy !== undefined && dLogSumExp === undefined,
      "an objective depends on attention's log-sum-exp, which has no gradient",
    );
    return add(causalAttentionGrad, [inputs[0]!, ...outputs, dy], params);
  },
};

/**
 * (qkv[B,T,3D], y[B,T,D], logSumExp[B,heads,T], dy[B,T,D]) -> dqkv[B,T,3D]. With p_ij = exp(s_ij - logSumExp_i) and
 * ds_ij = p_ij (dy_i v_j - dy_i y_i) / sqrt(D / heads): dq_i = sum_j ds_ij k_j, dk_j = sum_i ds_ij q_i, dv_j = sum_i p_ij dy_i.
 */
export const causalAttentionGrad: Op<CausalAttentionParams> = {
  name: "causal-attention-grad",
  infer(inputs, params) {
    const op = "causal-attention-grad";
    const { D, H } = bindShapes(op, inputs, { qkv: "B T E", y: "B T D", logSumExp: "B H T", dy: "B T D" });
    const { width, heads } = attentionExtents(op, inputs[0]!, params);
    expectEqualExtents(op, "qkv.shape[2] / 3", width, "y.shape[2]", D);
    expectEqualExtents(op, "heads", heads, "logSumExp.shape[1]", H);
    return [inputs[0]!];
  },
  flops(inputs, params) {
    const extents = attentionExtents("causal-attention-grad", inputs[0]!, params);
    return visiblePairs(extents) * (10 * extents.width + 6 * extents.heads) + 2 * elementCount(inputs[1]!);
  },
  vjp: "not-differentiable",
};
