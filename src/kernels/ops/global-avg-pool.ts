// The mean of each channel over an image, as networks without dense layers end.

import type { Op } from "../op.ts";
import { elementCount, f32 } from "../tensor.ts";
import type { NoParams } from "./elementwise.ts";
import { bindShapes, expectEqualExtents } from "./shapes.ts";

export interface GlobalAvgPoolGradParams {
  /** [B,...,C] of x. */
  readonly inputShape: readonly number[];
}

/** x[B,...,C] -> y[B,C] */
export const globalAvgPool: Op<NoParams> = {
  name: "global-avg-pool",
  infer(inputs) {
    const { B, C } = bindShapes("global-avg-pool", inputs, { x: "B ... C" });
    return [f32(B, C)];
  },
  flops: (inputs) => elementCount(inputs[0]!),
  vjp: ({ inputs, outputGrads, add }) =>
    add(globalAvgPoolGrad, [outputGrads[0]!], { inputShape: inputs[0]!.type.shape }),
};

/** dy[B,C] -> dx[B,...,C] = dy / pixels */
export const globalAvgPoolGrad: Op<GlobalAvgPoolGradParams> = {
  name: "global-avg-pool-grad",
  infer(inputs, { inputShape }) {
    const { B, C } = bindShapes("global-avg-pool-grad", inputs, { dy: "B C" });
    const of = "inputShape's";
    expectEqualExtents("global-avg-pool-grad", "dy.shape[0]", B, of, inputShape[0] ?? 0);
    expectEqualExtents("global-avg-pool-grad", "dy.shape[1]", C, of, inputShape.at(-1) ?? 0);
    return [f32(...inputShape)];
  },
  flops: (_, { inputShape }) => elementCount(f32(...inputShape)),
  vjp: "not-differentiable",
};
