// Local response normalisation across channels (A. Krizhevsky et al., "ImageNet classification with deep convolutional
// neural networks", 2012, section 3.3), with the parameters of TensorFlow's tf.nn.local_response_normalization.

import { SltrainError } from "../../errors.ts";
import type { Op } from "../op.ts";
import { elementCount } from "../tensor.ts";
import { bindShapes } from "./shapes.ts";

export interface LocalResponseNormParams {
  /** Channels on either side that count. */
  readonly depthRadius: number;
  /** Above 0. */
  readonly bias: number;
  /** Not below 0. */
  readonly alpha: number;
  readonly beta: number;
}

function checkParams(op: string, { depthRadius, bias, alpha, beta }: LocalResponseNormParams): void {
  const expected: readonly (readonly [string, number, boolean, string])[] = [
    [
      "depthRadius",
      depthRadius,
      Number.isInteger(depthRadius) && depthRadius >= 0,
      "an integer of at least 0",
    ],
    ["bias", bias, bias > 0, "a number above 0"],
    ["alpha", alpha, alpha >= 0, "a number of at least 0"],
    ["beta", beta, Number.isFinite(beta), "a number"],
  ];
  for (const [name, value, fits, wanted] of expected)
    if (!fits)
      throw new SltrainError({
        code: "bad-params",
        message: `${op}: ${name} = ${value} but expected ${wanted}`,
      });
}

/** x[...,C] -> y_c = x_c s_c^-beta, s_c = bias + alpha sum over |j - c| <= depthRadius of x_j^2 */
export const localResponseNorm: Op<LocalResponseNormParams> = {
  name: "local-response-norm",
  infer(inputs, params) {
    bindShapes("local-response-norm", inputs, { x: "... C" });
    checkParams("local-response-norm", params);
    return [inputs[0]!];
  },
  flops: (inputs, { depthRadius }) => (2 * depthRadius + 6) * elementCount(inputs[0]!),
  vjp: ({ inputs, outputGrads, params, add }) =>
    add(localResponseNormGrad, [inputs[0]!, outputGrads[0]!], params),
};

/** (x[...,C], dy) -> dx_c = dy_c s_c^-beta - 2 alpha beta x_c sum over |j - c| <= depthRadius of dy_j x_j s_j^(-beta - 1) */
export const localResponseNormGrad: Op<LocalResponseNormParams> = {
  name: "local-response-norm-grad",
  infer(inputs, params) {
    bindShapes("local-response-norm-grad", inputs, { x: "... C", dy: "... C" });
    checkParams("local-response-norm-grad", params);
    return [inputs[0]!];
  },
  flops: (inputs, { depthRadius }) => (4 * depthRadius + 14) * elementCount(inputs[0]!),
  vjp: "not-differentiable",
};
