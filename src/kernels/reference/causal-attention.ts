// Reference kernels of causal self-attention and its gradient: head by head and row by row, as the formulas say.

import type { ReferenceKernel } from "../kernel.ts";
import {
  attentionExtents,
  causalAttention,
  causalAttentionGrad,
  type AttentionExtents,
  type CausalAttentionParams,
} from "../ops/causal-attention.ts";
import type { TensorData } from "../tensor.ts";

/** One head of one sample: where its rows begin, of qkv (by part: q, k, v) and of y. */
interface Head {
  readonly qkv: (part: 0 | 1 | 2, position: number) => number;
  readonly y: (position: number) => number;
  readonly logSumExp: (position: number) => number;
}

function* headsOf({ batch, positions, width, heads, headWidth }: AttentionExtents): Generator<Head> {
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < heads; h++) {
      const row = (position: number): number => b * positions + position;
      yield {
        qkv: (part, position) => row(position) * 3 * width + part * width + h * headWidth,
        y: (position) => row(position) * width + h * headWidth,
        logSumExp: (position) => (b * heads + h) * positions + position,
      };
    }
}

export const causalAttentionReference: ReferenceKernel<CausalAttentionParams> = {
  op: causalAttention,
  run({ inputs, params }, [qkv], [y, logSumExp]) {
    const extents = attentionExtents(causalAttention.name, inputs[0]!, params);
    const { positions, headWidth } = extents;
    for (const head of headsOf(extents))
      for (let i = 0; i < positions; i++) {
        const scores = Array.from(
          { length: i + 1 },
          (_, j) => dot(qkv!, head.qkv(0, i), qkv!, head.qkv(1, j), headWidth) / Math.sqrt(headWidth),
        );
        const largest = Math.max(...scores);
        const sum = scores.reduce((total, score) => total + Math.exp(score - largest), 0);
        logSumExp![head.logSumExp(i)] = largest + Math.log(sum);
        for (let c = 0; c < headWidth; c++)
          y![head.y(i) + c] = scores.reduce(
            (total, score, j) => total + (Math.exp(score - largest) / sum) * qkv![head.qkv(2, j) + c]!,
            0,
          );
      }
  },
};

export const causalAttentionGradReference: ReferenceKernel<CausalAttentionParams> = {
  op: causalAttentionGrad,
  run({ inputs, params }, [qkv, y, logSumExp, dy], [dqkv]) {
    const extents = attentionExtents(causalAttentionGrad.name, inputs[0]!, params);
    const { positions, headWidth } = extents;
    const scale = 1 / Math.sqrt(headWidth);
    const sums = new Float64Array(dqkv!.length);
    for (const head of headsOf(extents))
      for (let i = 0; i < positions; i++) {
        const delta = dot(dy!, head.y(i), y!, head.y(i), headWidth);
        for (let j = 0; j <= i; j++) {
          const [q, k, v] = [head.qkv(0, i), head.qkv(1, j), head.qkv(2, j)];
          const p = Math.exp(dot(qkv!, q, qkv!, k, headWidth) * scale - logSumExp![head.logSumExp(i)]!);
          const ds = p * (dot(dy!, head.y(i), qkv!, v, headWidth) - delta) * scale;
          for (let c = 0; c < headWidth; c++) {
            sums[q + c]! += ds * qkv![k + c]!;
            sums[k + c]! += ds * qkv![q + c]!;
            sums[v + c]! += p * dy![head.y(i) + c]!;
          }
        }
      }
    dqkv!.set(sums);
  },
};

function dot(a: TensorData, from: number, b: TensorData, to: number, length: number): number {
  let sum = 0;
  for (let c = 0; c < length; c++) sum += a[from + c]! * b[to + c]!;
  return sum;
}
