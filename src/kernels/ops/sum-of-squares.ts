// The square of a vector's Euclidean norm.

import type { Op } from "../op.ts";
import { elementCount, f32 } from "../tensor.ts";
import type { NoParams } from "./elementwise.ts";
import { bindShapes } from "./shapes.ts";

/** x[...] -> [1], the sum of the squares of all elements */
export const sumOfSquares: Op<NoParams> = {
  name: "sum-of-squares",
  infer(inputs) {
    bindShapes("sum-of-squares", inputs, { x: "..." });
    return [f32(1)];
  },
  flops: (inputs) => 2 * elementCount(inputs[0]!),
  vjp: "not-differentiable",
};
