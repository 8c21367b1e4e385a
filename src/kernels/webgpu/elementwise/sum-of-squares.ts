// The sum of a vector's squares, in one pass or two.

import type { KernelCall } from "../../kernel.ts";
import { sumOfSquares } from "../../ops/sum-of-squares.ts";
import { elementCount } from "../../tensor.ts";
import { flatSums } from "../emit/flat-sums.ts";
import type { WebGpuKernel } from "../kernel.ts";

export const sumOfSquaresKernel: WebGpuKernel = {
  name: "f32-sum-of-squares-webgpu",
  op: sumOfSquares,
  accepts: () => true,
  build: ({ inputs }: KernelCall, target) =>
    flatSums(
      {
        elements: elementCount(inputs[0]!),
        bindings: { x: { of: { input: 0 }, type: "vec4f" } },
        terms: ["$x[i] * $x[i]"],
        resultBindings: { y: { of: { output: 0 }, type: "f32" } },
        results: "$y[0] = sum0;",
      },
      target,
    ),
};
