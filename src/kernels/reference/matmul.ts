// Reference kernels of matmul and dense: three loops.

import type { ReferenceKernel } from "../kernel.ts";
import { dense, matmul, type DenseParams, type MatmulParams } from "../ops/matmul.ts";
import { applyMask } from "./mask.ts";

export const matmulReference: ReferenceKernel<MatmulParams> = {
  op: matmul,
  run({ inputs, outputs, params: { transposeA, transposeB } }, [a, b, mask], [y]) {
    const [M, N] = outputs[0]!.shape as [number, number];
    const K = inputs[0]!.shape[transposeA ? 0 : 1]!;
    for (let m = 0; m < M; m++)
      for (let n = 0; n < N; n++) {
        let sum = 0;
        for (let k = 0; k < K; k++)
          sum += a![transposeA ? k * M + m : m * K + k]! * b![transposeB ? n * K + k : k * N + n]!;
        y![m * N + n] = sum;
      }
    applyMask(y!, mask);
  },
};

export const denseReference: ReferenceKernel<DenseParams> = {
  op: dense,
  run({ inputs, params: { activation } }, [x, w, bias], [y]) {
    const [K, N] = inputs[1]!.shape as [number, number];
    for (let i = 0; i < y!.length; i++) {
      const b = Math.floor(i / N);
      const n = i % N;
      let sum = bias === undefined ? 0 : bias[n]!;
      for (let k = 0; k < K; k++) sum += x![b * K + k]! * w![k * N + n]!;
      y![i] = activation === "relu" ? Math.max(sum, 0) : sum;
    }
  },
};
