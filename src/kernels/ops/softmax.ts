// Softmax of rows, for predictions; training uses the fused softmax-cross-entropy.

import type { Op } from "../op.ts";
import { elementCount } from "../tensor.ts";
import type { NoParams } from "./elementwise.ts";
import { bindShapes } from "./shapes.ts";

/** x[B,C] -> y[B,C], y_bc = exp(x_bc) / sum_c exp(x_bc) */
export const softmax: Op<NoParams> = {
  name: "softmax",
  infer(inputs) {
    bindShapes("softmax", inputs, { x: "B C" });
    return [inputs[0]!];
  },
  flops: (inputs) => 5 * elementCount(inputs[0]!),
  vjp: ({ outputs, outputGrads, add }) => add(softmaxGrad, [outputs[0]!, outputGrads[0]!], {}),
};

/** (y[B,C], dy[B,C]) -> dx_bc = y_bc (dy_bc - sum_c y_bc dy_bc) */
export const softmaxGrad: Op<NoParams> = {
  name: "softmax-grad",
  infer(inputs) {
    bindShapes("softmax-grad", inputs, { y: "B C", dy: "B C" });
    return [inputs[0]!];
  },
  flops: (inputs) => 4 * elementCount(inputs[0]!),
  vjp: "not-differentiable",
};
