// The same memory under another shape: no kernel runs.

import type { Op } from "../op.ts";
import { elementCount, f32, formatType } from "../tensor.ts";
import { bindShapes, expectPositiveInteger, shapeMismatch } from "./shapes.ts";

export interface ReshapeParams {
  readonly shape: readonly number[];
}

/** x -> y of `shape` */
export const reshape: Op<ReshapeParams> = {
  name: "reshape",
  infer(inputs, { shape }) {
    bindShapes("reshape", inputs, { x: "..." });
    shape.forEach((extent, axis) => {
      expectPositiveInteger("reshape", `shape[${axis}]`, extent);
    });
    const x = inputs[0]!;
    const y = f32(...shape);
    if (elementCount(x) !== elementCount(y))
      throw shapeMismatch(
        `reshape: x is ${formatType(x)} with ${elementCount(x)} elements but shape [${shape.join(",")}] has ${elementCount(y)}`,
      );
    return [y];
  },
  flops: () => 0,
  view: true,
  vjp: ({ inputs, outputGrads, add }) => add(reshape, [outputGrads[0]!], { shape: inputs[0]!.type.shape }),
};
