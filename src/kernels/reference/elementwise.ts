// Reference kernels of element-wise ops. Each element is read before it is written: outputs may lie on inputs.

import type { ReferenceKernel } from "../kernel.ts";
import type { Op } from "../op.ts";
import {
  add,
  gelu,
  geluGrad,
  leakyRelu,
  leakyReluGrad,
  multiply,
  relu,
  relu6,
  relu6Grad,
  reluGrad,
  sigmoid,
  sigmoidGrad,
  silu,
  siluGrad,
  tanh,
  tanhGrad,
} from "../ops/elementwise.ts";

function elementwise<P extends object>(
  op: Op<P>,
  f: (a: number, b: number, params: P) => number,
): ReferenceKernel<P> {
  return {
    op,
    run({ params }, [a, b], [y]) {
      for (let i = 0; i < y!.length; i++) y![i] = f(a![i]!, b === undefined ? 0 : b[i]!, params);
    },
  };
}

function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

function normalDensity(x: number): number {
  return Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
}

/** 1/2 + phi(x) sum_n x^(2n+1) / (2n+1)!!: all terms have one sign (Abramowitz and Stegun 26.2.11). */
function normalDistribution(x: number): number {
  const CERTAIN = 9; // 1 - Phi(9) < 2^-60
  if (Math.abs(x) > CERTAIN) return x > 0 ? 1 : 0;
  let sum = 0;
  let term = x;
  for (let n = 1; Math.abs(term) > 2 ** -60 * Math.abs(sum); n += 2) {
    sum += term;
    term *= (x * x) / (n + 2);
  }
  return 0.5 + normalDensity(x) * sum;
}

export const addReference = elementwise(add, (a, b, { activation }) =>
  activation === "relu" ? Math.max(a + b, 0) : a + b,
);
export const multiplyReference = elementwise(multiply, (a, b) => a * b);
export const reluReference = elementwise(relu, (x) => Math.max(x, 0));
export const relu6Reference = elementwise(relu6, (x) => Math.min(Math.max(x, 0), 6));
export const leakyReluReference = elementwise(leakyRelu, (x, _, { alpha }) => (x > 0 ? x : alpha * x));
export const tanhReference = elementwise(tanh, Math.tanh);
export const sigmoidReference = elementwise(sigmoid, logistic);
export const siluReference = elementwise(silu, (x) => x * logistic(x));
export const geluReference = elementwise(gelu, (x) => x * normalDistribution(x));

export const reluGradReference = elementwise(reluGrad, (y, dy) => (y > 0 ? dy : 0));
export const relu6GradReference = elementwise(relu6Grad, (y, dy) => (y > 0 && y < 6 ? dy : 0));
export const leakyReluGradReference = elementwise(leakyReluGrad, (y, dy, { alpha }) =>
  y > 0 ? dy : alpha * dy,
);
export const tanhGradReference = elementwise(tanhGrad, (y, dy) => dy * (1 - y * y));
export const sigmoidGradReference = elementwise(sigmoidGrad, (y, dy) => dy * y * (1 - y));
export const siluGradReference = elementwise(siluGrad, (x, dy) => {
  const s = logistic(x);
  return dy * s * (1 + x * (1 - s));
});
export const geluGradReference = elementwise(
  geluGrad,
  (x, dy) => dy * (normalDistribution(x) + x * normalDensity(x)),
);
