// Products of a sparse matrix with a dense one: linear models over data with many features, few of them set in a row.
// The matrix is CSR: row r's non-zeros are those at rowStarts[r] up to rowStarts[r + 1], of which `columns` tells the
// feature. Programs are static, so E is a capacity; what lies behind the last row's end is not looked at.
//
// A column outside w adds nothing: data may have features that training never saw. The gradient in sparse form, of U
// distinct columns of a batch only, is sparse-dense-grad with `features` = U and columns numbered among them.

import type { Op } from "../op.ts";
import { elementCount, f32, type TensorType } from "../tensor.ts";
import { columnSum } from "./bias.ts";
import type { NoParams } from "./elementwise.ts";
import { bindShapes, expectEqualExtents, expectPositiveInteger } from "./shapes.ts";

export interface SparseDenseGradParams {
  /** Rows of w. */
  readonly features: number;
}

const CSR = { values: "E", columns: "i32 E", rowStarts: "i32 S" } as const;

/** A multiply-add for every non-zero and column of the dense operand, as if all E were there. */
function sparseFlops(inputs: readonly TensorType[], columns: number): number {
  return 2 * elementCount(inputs[0]!) * columns;
}

/** Rows of the sparse matrix. */
function rowsOf(op: string, starts: number): number {
  expectPositiveInteger(op, "rowStarts.shape[0] - 1", starts - 1);
  return starts - 1;
}

/** (values[E], columns i32[E], rowStarts i32[B+1], w[K,N], bias[N]?) -> y[B,N] */
export const sparseDense: Op<NoParams> = {
  name: "sparse-dense",
  infer(inputs) {
    const { S, N } = bindShapes("sparse-dense", inputs, { ...CSR, w: "K N", "bias?": "N" });
    return [f32(rowsOf("sparse-dense", S), N)];
  },
  flops(inputs) {
    const N = inputs[3]!.shape[1]!;
    return sparseFlops(inputs, N) + (inputs.length === 5 ? (inputs[2]!.shape[0]! - 1) * N : 0);
  },
  vjp({ inputs, outputGrads, needs, add }) {
    const [values, columns, rowStarts, w] = inputs;
    const dy = outputGrads[0]!;
    const features = w!.type.shape[0]!;
    const dw = needs(3)
      ? add(sparseDenseGrad, [values!, columns!, rowStarts!, dy], { features })[0]
      : undefined;
    const none = [undefined, undefined, undefined] as const; // the matrix is data
    if (inputs.length === 4) return [...none, dw];
    return [...none, dw, needs(4) ? add(columnSum, [dy], {})[0] : undefined];
  },
};

/** (values[E], columns i32[E], rowStarts i32[B+1], dy[B,N]) -> dw[K,N], the non-zeros' shares added in their order */
export const sparseDenseGrad: Op<SparseDenseGradParams> = {
  name: "sparse-dense-grad",
  infer(inputs, { features }) {
    const { S, B, N } = bindShapes("sparse-dense-grad", inputs, { ...CSR, dy: "B N" });
    const rows = rowsOf("sparse-dense-grad", S);
    expectEqualExtents("sparse-dense-grad", "dy.shape[0]", B, "rowStarts.shape[0] - 1", rows);
    expectPositiveInteger("sparse-dense-grad", "features", features);
    return [f32(features, N)];
  },
  flops: (inputs) => sparseFlops(inputs, inputs[3]!.shape[1]!),
  vjp: "not-differentiable",
};

/**
 * (w[K,N], values[E], columns i32[E], rowStarts i32[B+1], dy[B,N], lr[1]) -> w' = w - lr dw, non-zero by non-zero in
 * their order: on w's own memory it costs what the batch has, whatever K is. A decay would touch all of w: there is none.
 */
export const sparseSgdUpdate: Op<NoParams> = {
  name: "sparse-sgd-update",
  infer(inputs) {
    const { S, B } = bindShapes("sparse-sgd-update", inputs, { w: "K N", ...CSR, dy: "B N", lr: "1" });
    const rows = rowsOf("sparse-sgd-update", S);
    expectEqualExtents("sparse-sgd-update", "dy.shape[0]", B, "rowStarts.shape[0] - 1", rows);
    return [inputs[0]!];
  },
  flops: (inputs) => sparseFlops(inputs.slice(1), inputs[0]!.shape[1]!),
  inPlace: [0],
  vjp: "not-differentiable",
};
