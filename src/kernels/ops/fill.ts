// A constant tensor: the seed of a backward pass, the gradient of what has no influence.

import type { Op } from "../op.ts";
import { f32 } from "../tensor.ts";
import { bindShapes, expectPositiveInteger } from "./shapes.ts";

export interface FillParams {
  readonly shape: readonly number[];
  readonly value: number;
}

/** () -> f32 of `shape`, every element `value` */
export const fill: Op<FillParams> = {
  name: "fill",
  infer(inputs, { shape }) {
    bindShapes("fill", inputs, {});
    shape.forEach((extent, axis) => {
      expectPositiveInteger("fill", `shape[${axis}]`, extent);
    });
    return [f32(...shape)];
  },
  flops: () => 0,
  vjp: "not-differentiable",
};
