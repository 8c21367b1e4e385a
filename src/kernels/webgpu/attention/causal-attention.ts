// Causal self-attention with an online softmax (M. Milakov, N. Gimelshein, 2018; T. Dao et al., "FlashAttention", 2022):
// tile by tile of the keys, and what there is of a row is scaled when a larger score comes.

import type { KernelCall } from "../../kernel.ts";
import { attentionExtents, causalAttention, type CausalAttentionParams } from "../../ops/causal-attention.ts";
import { mathFunctions } from "../emit/math.ts";
import type { WebGpuKernel } from "../kernel.ts";
import { dotFunction, headPass, headUnits, LEAST_FLOAT, MOST_HEAD_WIDTH, qkvUnit, yUnit } from "./head.ts";

export const causalAttentionKernel: WebGpuKernel = {
  name: "f32-causal-attention-webgpu",
  op: causalAttention,
  accepts: ({ inputs, params }) => extentsOf(inputs, params).headWidth <= MOST_HEAD_WIDTH,
  build({ inputs, params }: KernelCall) {
    const units = headUnits(extentsOf(inputs, params));
    const { type, headWidth } = units;
    const pass = headPass(units, {
      bindings: {
        qkv: { of: { input: 0 }, type },
        y: { of: { output: 0 }, type },
        logSumExp: { of: { output: 1 }, type: "f32" },
      },
      module: mathFunctions(["exp", "log"], 1) + dotFunction("score_of", "q", "k", units),
      own: { q: `$qkv[${qkvUnit(units, 0, "position")}]` },
      tiles: {
        k: `$qkv[${qkvUnit(units, 1, "position")}]`,
        v: `$qkv[${qkvUnit(units, 2, "position")}]`,
      },
      weights: ["scores"],
      others: "before",
      before: `var largest = ${LEAST_FLOAT};
  var total = 0.0;
  var sums = ${type}();`,
      pair: `scores[e] = select(${LEAST_FLOAT}, score_of(i, j) * ${1 / Math.sqrt(headWidth)}, seen);`,
      // The row's invocations share its exponentials. Where nothing of the tile is seen, all of them are 0.
      tile: `let before = largest;
    for (var j = 0u; j < count; j++) { largest = max(largest, scores[r * OTHERS + j]); }
    let shrink = exp_of(before - largest);
    total *= shrink;
    sums *= shrink;
    workgroupBarrier();
    for (var j = c; j < count; j += UNITS) {
      scores[r * OTHERS + j] = select(0.0, exp_of(scores[r * OTHERS + j] - largest), first + j <= row);
    }
    workgroupBarrier();
    for (var j = 0u; j < count; j++) {
      let p = scores[r * OTHERS + j];
      total += p;
      sums += p * v_tile[j * UNITS + c];
    }`,
      after: `$y[${yUnit(units, "row")}] = sums / total;
    if (c == 0u) { $logSumExp[rows + row] = largest + log_of(total); }`,
    });
    return { passes: [pass] };
  },
};

function extentsOf(inputs: KernelCall["inputs"], params: object) {
  return attentionExtents(causalAttention.name, inputs[0]!, params as CausalAttentionParams);
}
