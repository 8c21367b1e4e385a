// Reference kernel of sum-of-squares.

import type { ReferenceKernel } from "../kernel.ts";
import type { NoParams } from "../ops/elementwise.ts";
import { sumOfSquares } from "../ops/sum-of-squares.ts";

export const sumOfSquaresReference: ReferenceKernel<NoParams> = {
  op: sumOfSquares,
  run(_, [x], [y]) {
    let sum = 0;
    for (const value of x!) sum += value * value;
    y![0] = sum;
  },
};
