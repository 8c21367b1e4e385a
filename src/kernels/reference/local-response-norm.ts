// Reference kernels of local response normalisation and its gradient.

import type { ReferenceKernel } from "../kernel.ts";
import {
  localResponseNorm,
  localResponseNormGrad,
  type LocalResponseNormParams,
} from "../ops/local-response-norm.ts";

/** Calls `visit` for each row of x[...,C], in float64, with the sums of any row over each channel's neighbours. */
function forEachRow(
  x: Float64Array,
  columns: number,
  depthRadius: number,
  visit: (begin: number, row: Float64Array, nearby: (values: Float64Array) => Float64Array) => void,
): void {
  const nearby = (values: Float64Array): Float64Array =>
    values.map((_, c) =>
      values
        .subarray(Math.max(0, c - depthRadius), c + depthRadius + 1)
        .reduce((sum, value) => sum + value, 0),
    );
  for (let begin = 0; begin < x.length; begin += columns)
    visit(begin, x.subarray(begin, begin + columns), nearby);
}

export const localResponseNormReference: ReferenceKernel<LocalResponseNormParams> = {
  op: localResponseNorm,
  run({ inputs, params: { depthRadius, bias, alpha, beta } }, [x], [y]) {
    forEachRow(Float64Array.from(x!), inputs[0]!.shape.at(-1)!, depthRadius, (begin, row, nearby) => {
      const s = nearby(row.map((value) => value ** 2)).map((sum) => bias + alpha * sum);
      y!.set(
        row.map((value, c) => value * s[c]! ** -beta),
        begin,
      );
    });
  },
};

export const localResponseNormGradReference: ReferenceKernel<LocalResponseNormParams> = {
  op: localResponseNormGrad,
  run({ inputs, params: { depthRadius, bias, alpha, beta } }, [x, dy], [dx]) {
    forEachRow(Float64Array.from(x!), inputs[0]!.shape.at(-1)!, depthRadius, (begin, row, nearby) => {
      const s = nearby(row.map((value) => value ** 2)).map((sum) => bias + alpha * sum);
      const through = nearby(row.map((value, c) => dy![begin + c]! * value * s[c]! ** (-beta - 1)));
      row.forEach((value, c) => {
        dx![begin + c] = dy![begin + c]! * s[c]! ** -beta - 2 * alpha * beta * value * through[c]!;
      });
    });
  },
};
