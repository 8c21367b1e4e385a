// Reference kernels of softmax and its gradient.

import type { ReferenceKernel } from "../kernel.ts";
import type { NoParams } from "../ops/elementwise.ts";
import { softmax, softmaxGrad } from "../ops/softmax.ts";
import type { TensorData } from "../tensor.ts";

/** Softmax of row b of x[B,C], in float64. */
export function softmaxRow(x: TensorData, b: number, C: number): Float64Array {
  const row = Float64Array.from(x.subarray(b * C, (b + 1) * C));
  const maximum = row.reduce((a, c) => Math.max(a, c), -Infinity);
  const exponentials = row.map((value) => Math.exp(value - maximum));
  const sum = exponentials.reduce((a, c) => a + c, 0);
  return exponentials.map((value) => value / sum);
}

export const softmaxReference: ReferenceKernel<NoParams> = {
  op: softmax,
  run({ inputs }, [x], [y]) {
    const [B, C] = inputs[0]!.shape as [number, number];
    for (let b = 0; b < B; b++) y!.set(softmaxRow(x!, b, C), b * C);
  },
};

export const softmaxGradReference: ReferenceKernel<NoParams> = {
  op: softmaxGrad,
  run({ inputs }, [y, dy], [dx]) {
    const [B, C] = inputs[0]!.shape as [number, number];
    for (let b = 0; b < B; b++) {
      let dot = 0;
      for (let i = b * C; i < (b + 1) * C; i++) dot += y![i]! * dy![i]!;
      for (let i = b * C; i < (b + 1) * C; i++) dx![i] = y![i]! * (dy![i]! - dot);
    }
  },
};
