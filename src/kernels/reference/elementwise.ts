// Reference kernels of element-wise ops. Each element is read before it is written: outputs may lie on inputs.

import type { AnyOp } from "../op.ts";
import type { ReferenceKernel } from "../kernel.ts";
import {
  add,
  relu,
  reluGrad,
  sigmoid,
  sigmoidGrad,
  tanh,
  tanhGrad,
  type NoParams,
} from "../ops/elementwise.ts";

function elementwise(op: AnyOp, f: (a: number, b: number) => number): ReferenceKernel<NoParams> {
  return {
    op,
    run(_, [a, b], [y]) {
      for (let i = 0; i < y!.length; i++) y![i] = f(a![i]!, b === undefined ? 0 : b[i]!);
    },
  };
}

export const addReference = elementwise(add, (a, b) => a + b);
export const reluReference = elementwise(relu, (x) => Math.max(x, 0));
export const tanhReference = elementwise(tanh, Math.tanh);
export const sigmoidReference = elementwise(sigmoid, (x) => 1 / (1 + Math.exp(-x)));
export const reluGradReference = elementwise(reluGrad, (y, dy) => (y > 0 ? dy : 0));
export const tanhGradReference = elementwise(tanhGrad, (y, dy) => dy * (1 - y * y));
export const sigmoidGradReference = elementwise(sigmoidGrad, (y, dy) => dy * y * (1 - y));
