// Reference kernels of global average pooling and its gradient.

import type { ReferenceKernel } from "../kernel.ts";
import type { NoParams } from "../ops/elementwise.ts";
import { globalAvgPool, globalAvgPoolGrad, type GlobalAvgPoolGradParams } from "../ops/global-avg-pool.ts";
import { inDouble } from "./in-double.ts";

/** Calls `visit` with the flat indices of each element of x[B,...,C] and of the mean[B,C] that it belongs to. */
function forEachElement(
  [B, C]: readonly [number, number],
  elements: number,
  visit: (x: number, y: number) => void,
): void {
  const perSample = elements / B;
  for (let x = 0; x < elements; x++) visit(x, Math.floor(x / perSample) * C + (x % C));
}

export const globalAvgPoolReference: ReferenceKernel<NoParams> = {
  op: globalAvgPool,
  run({ outputs }, [x], [y]) {
    const pixels = x!.length / y!.length;
    inDouble(y!, (sums) => {
      forEachElement(outputs[0]!.shape as [number, number], x!.length, (xi, yi) => {
        sums[yi]! += x![xi]! / pixels;
      });
    });
  },
};

export const globalAvgPoolGradReference: ReferenceKernel<GlobalAvgPoolGradParams> = {
  op: globalAvgPoolGrad,
  run({ inputs }, [dy], [dx]) {
    const pixels = dx!.length / dy!.length;
    forEachElement(inputs[0]!.shape as [number, number], dx!.length, (xi, yi) => {
      dx![xi] = dy![yi]! / pixels;
    });
  },
};
