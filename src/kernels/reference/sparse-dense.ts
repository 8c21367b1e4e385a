// Reference kernels of products with a sparse matrix: one walk over its non-zeros for all three.

import type { ReferenceKernel } from "../kernel.ts";
import type { NoParams } from "../ops/elementwise.ts";
import {
  sparseDense,
  sparseDenseGrad,
  sparseSgdUpdate,
  type SparseDenseGradParams,
} from "../ops/sparse-dense.ts";
import type { TensorData } from "../tensor.ts";
import { inDouble } from "./in-double.ts";

/** Calls `visit` for every non-zero whose column is one of `features`. */
function forEachNonZero(
  [values, columns, rowStarts]: readonly TensorData[],
  features: number,
  visit: (row: number, column: number, value: number) => void,
): void {
  for (let row = 0; row + 1 < rowStarts!.length; row++) {
    const end = Math.min(rowStarts![row + 1]!, values!.length);
    for (let i = rowStarts![row]!; i < end; i++) {
      const column = columns![i]!;
      if (column >= 0 && column < features) visit(row, column, values![i]!);
    }
  }
}

export const sparseDenseReference: ReferenceKernel<NoParams> = {
  op: sparseDense,
  run({ inputs }, operands, [y]) {
    const [features, N] = inputs[3]!.shape as [number, number];
    const [w, bias] = operands.slice(3);
    inDouble(y!, (sums) => {
      forEachNonZero(operands, features, (row, column, value) => {
        for (let n = 0; n < N; n++) sums[row * N + n]! += value * w![column * N + n]!;
      });
      if (bias !== undefined) sums.forEach((_, i) => (sums[i]! += bias[i % N]!));
    });
  },
};

export const sparseDenseGradReference: ReferenceKernel<SparseDenseGradParams> = {
  op: sparseDenseGrad,
  run({ outputs }, operands, [dw]) {
    const [features, N] = outputs[0]!.shape as [number, number];
    const dy = operands[3]!;
    inDouble(dw!, (sums) => {
      forEachNonZero(operands, features, (row, column, value) => {
        for (let n = 0; n < N; n++) sums[column * N + n]! += value * dy[row * N + n]!;
      });
    });
  },
};

export const sparseSgdUpdateReference: ReferenceKernel<NoParams> = {
  op: sparseSgdUpdate,
  run({ outputs }, [w, ...operands], [wNext]) {
    const [features, N] = outputs[0]!.shape as [number, number];
    const [dy, lr] = operands.slice(3);
    inDouble(wNext!, (sums) => {
      sums.set(w!);
      forEachNonZero(operands, features, (row, column, value) => {
        for (let n = 0; n < N; n++) sums[column * N + n]! -= lr![0]! * value * dy![row * N + n]!;
      });
    });
  },
};
