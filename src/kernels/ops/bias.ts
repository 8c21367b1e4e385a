// Adding a vector to every row, and its gradient: the sum over all rows.

import type { Op } from "../op.ts";
import { elementCount, f32 } from "../tensor.ts";
import type { NoParams } from "./elementwise.ts";
import { bindShapes } from "./shapes.ts";

/** (x[...,C], bias[C]) -> y[...,C] */
export const biasAdd: Op<NoParams> = {
  name: "bias-add",
  infer(inputs) {
    bindShapes("bias-add", inputs, { x: "... C", bias: "C" });
    return [inputs[0]!];
  },
  flops: (inputs) => elementCount(inputs[0]!),
  inPlace: [0],
  vjp: ({ outputGrads, needs, add }) => {
    const dy = outputGrads[0]!;
    return [dy, needs(1) ? add(columnSum, [dy], {})[0] : undefined];
  },
};

/** x[...,C] -> [C] */
export const columnSum: Op<NoParams> = {
  name: "column-sum",
  infer: (inputs) => [f32(bindShapes("column-sum", inputs, { x: "... C" }).C)],
  flops: (inputs) => elementCount(inputs[0]!),
  vjp: "not-differentiable",
};
