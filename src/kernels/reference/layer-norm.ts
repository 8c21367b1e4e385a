// Reference kernels of layer normalisation and its gradient.

import type { ReferenceKernel } from "../kernel.ts";
import type { NoParams } from "../ops/elementwise.ts";
import { layerNorm, layerNormGrad, type LayerNormParams } from "../ops/layer-norm.ts";
import { inDouble } from "./in-double.ts";

function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export const layerNormReference: ReferenceKernel<LayerNormParams> = {
  op: layerNorm,
  run({ params: { epsilon } }, [x, gamma, beta], [y, mean, rstd]) {
    const columns = gamma!.length;
    for (let row = 0; row < mean!.length; row++) {
      const values = Float64Array.from(x!.subarray(row * columns, (row + 1) * columns));
      const rowMean = meanOf(values);
      const rowRstd = 1 / Math.sqrt(meanOf(values.map((value) => (value - rowMean) ** 2)) + epsilon);
      mean![row] = rowMean;
      rstd![row] = rowRstd;
      values.forEach((value, c) => {
        y![row * columns + c] = (value - rowMean) * rowRstd * gamma![c]! + beta![c]!;
      });
    }
  },
};

export const layerNormGradReference: ReferenceKernel<NoParams> = {
  op: layerNormGrad,
  run(_, [x, gamma, dy, mean, rstd], [dx, dgamma, dbeta]) {
    const columns = gamma!.length;
    inDouble(dgamma!, (slopes) => {
      inDouble(dbeta!, (shifts) => {
        for (let row = 0; row < mean!.length; row++) {
          const stretch = [row * columns, (row + 1) * columns] as const;
          const dyRow = Float64Array.from(dy!.subarray(...stretch));
          const z = Float64Array.from(
            x!.subarray(...stretch),
            (value) => (value - mean![row]!) * rstd![row]!,
          );
          const g = dyRow.map((value, c) => value * gamma![c]!);
          const shift = meanOf(g);
          const slope = meanOf(g.map((value, c) => value * z[c]!));
          for (let c = 0; c < columns; c++) {
            slopes[c]! += dyRow[c]! * z[c]!;
            shifts[c]! += dyRow[c]!;
            dx![row * columns + c] = rstd![row]! * (g[c]! - shift - z[c]! * slope);
          }
        }
      });
    });
  },
};
