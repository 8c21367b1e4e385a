// Matrix products: the general one with transposed operands, and the dense layer with fused bias and activation.

import type { Op, Tensor } from "../op.ts";
import { f32, type TensorType } from "../tensor.ts";
import { columnSum } from "./bias.ts";
import { beforeActivation, type Activation } from "./elementwise.ts";
import { bindShapes } from "./shapes.ts";

export interface MatmulParams {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

function matmulExtents(inputs: readonly TensorType[], { transposeA, transposeB }: MatmulParams) {
  return bindShapes("matmul", inputs, {
    a: transposeA ? "K M" : "M K",
    b: transposeB ? "N K" : "K N",
    "mask?": "M N",
  });
}

/** (a[M,K], b[K,N], mask[M,N]?) -> [M,N]; a is given as [K,M] if `transposeA`, b as [N,K] if `transposeB`. */
export const matmul: Op<MatmulParams> = {
  name: "matmul",
  infer(inputs, params) {
    const { M, N } = matmulExtents(inputs, params);
    return [f32(M, N)];
  },
  flops(inputs, params) {
    const { M, N, K } = matmulExtents(inputs, params);
    return 2 * M * N * K;
  },
  maskOperand: 2,
  vjp: ({ inputs, outputGrads, params: { transposeA, transposeB }, needs, add }) => {
    const a = inputs[0]!;
    const b = inputs[1]!;
    const dy = outputGrads[0]!;
    // With A = op(a), B = op(b): dA = dy B^T and dB = A^T dy; both transposed where the operand was.
    const product = (left: Tensor, transposeA: boolean, right: Tensor, transposeB: boolean): Tensor =>
      add(matmul, [left, right], { transposeA, transposeB })[0]!;
    const da = (): Tensor =>
      transposeA ? product(b, transposeB, dy, true) : product(dy, false, b, !transposeB);
    const db = (): Tensor =>
      transposeB ? product(dy, true, a, transposeA) : product(a, !transposeA, dy, false);
    return [needs(0) ? da() : undefined, needs(1) ? db() : undefined];
  },
};

export interface DenseParams {
  readonly activation: Activation;
}

/** (x[B,K], w[K,N], bias[N]?) -> activation(x w + bias)[B,N] */
export const dense: Op<DenseParams> = {
  name: "dense",
  infer(inputs) {
    const { B, N } = bindShapes("dense", inputs, { x: "B K", w: "K N", "bias?": "N" });
    return [f32(B, N)];
  },
  flops(inputs) {
    const { B, K, N } = bindShapes("dense", inputs, { x: "B K", w: "K N", "bias?": "N" });
    return 2 * B * K * N + (inputs.length === 3 ? B * N : 0);
  },
  vjp: (context) => {
    const { inputs, needs, add } = context;
    const g = beforeActivation(context);
    // Gradients of parameters first: they are sent while the rest is computed.
    const dw = needs(1)
      ? add(matmul, [inputs[0]!, g], { transposeA: true, transposeB: false })[0]
      : undefined;
    const dbias = inputs.length === 3 && needs(2) ? add(columnSum, [g], {})[0] : undefined;
    const dx = needs(0)
      ? add(matmul, [g, inputs[1]!], { transposeA: false, transposeB: true })[0]
      : undefined;
    return inputs.length === 3 ? [dx, dw, dbias] : [dx, dw];
  },
};
