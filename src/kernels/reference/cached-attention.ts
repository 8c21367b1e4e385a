// Reference kernel of attention at one position: the row's own key and value stand behind those of the past.

import type { ReferenceKernel } from "../kernel.ts";
import type { CausalAttentionParams } from "../ops/causal-attention.ts";
import { cachedAttention, cachedAttentionExtents } from "../ops/cached-attention.ts";

export const cachedAttentionReference: ReferenceKernel<CausalAttentionParams> = {
  op: cachedAttention,
  run({ inputs, params }, [qkv, past, at], [y]) {
    const { batch, positions, width, heads, headWidth } = cachedAttentionExtents(inputs, params);
    for (let b = 0; b < batch; b++) {
      const own = qkv!.subarray(b * 3 * width, (b + 1) * 3 * width);
      const seen = Math.min(at![b]! >>> 0, positions);
      const rows = Array.from({ length: seen }, (_, j) =>
        past!.subarray((b * positions + j) * 3 * width, (b * positions + j + 1) * 3 * width),
      );
      rows.push(own);
      for (let h = 0; h < heads; h++) {
        const columns = Array.from({ length: headWidth }, (_, c) => h * headWidth + c);
        const scores = rows.map(
          (row) => columns.reduce((sum, c) => sum + own[c]! * row[width + c]!, 0) / Math.sqrt(headWidth),
        );
        const largest = Math.max(...scores);
        const weights = scores.map((score) => Math.exp(score - largest));
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        for (const c of columns)
          y![b * width + c] =
            weights.reduce((sum, weight, j) => sum + weight * rows[j]![2 * width + c]!, 0) / total;
      }
    }
  },
};
