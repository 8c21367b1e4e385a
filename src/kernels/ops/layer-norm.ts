// Layer normalisation over the last axis (J. L. Ba et al., "Layer normalization", 2016), and its gradient.

import { assert } from "../../errors.ts";
import type { Op } from "../op.ts";
import { elementCount, f32, type TensorType } from "../tensor.ts";
import type { NoParams } from "./elementwise.ts";
import { bindShapes } from "./shapes.ts";

export interface LayerNormParams {
  /** Added to the variance. */
  readonly epsilon: number;
}

/** One element per row of x. */
function perRow(x: TensorType): TensorType {
  return f32(...x.shape.slice(0, -1));
}

/**
 * (x[...,C], gamma[C], beta[C]) -> (y[...,C], mean[...], rstd[...]): y = (x - mean) rstd gamma + beta with the mean and
 * the biased variance of each row, rstd = 1 / sqrt(variance + epsilon). The statistics have no gradient of their own.
 */
export const layerNorm: Op<LayerNormParams> = {
  name: "layer-norm",
  infer(inputs) {
    bindShapes("layer-norm", inputs, { x: "... C", gamma: "C", beta: "C" });
    const x = inputs[0]!;
    return [x, perRow(x), perRow(x)];
  },
  flops: (inputs) => 8 * elementCount(inputs[0]!),
  inPlace: [0],
  vjp: ({ inputs, outputs, outputGrads, add }) => {
    const [dy, dMean, dRstd] = outputGrads;
    assert(
      dy !== undefined && dMean === undefined && dRstd === undefined,
      "an objective depends on the statistics of a layer norm, which have no gradient",
    );
    const [, mean, rstd] = outputs;
    return add(layerNormGrad, [inputs[0]!, inputs[1]!, dy, mean!, rstd!], {});
  },
};

/**
 * (x[...,C], gamma[C], dy[...,C], mean[...], rstd[...]) -> (dx[...,C], dgamma[C], dbeta[C]). With z = (x - mean) rstd and
 * g = dy gamma: dx = rstd (g - mean_c g - z mean_c (g z)), dgamma = sum dy z, dbeta = sum dy over all rows.
 */
export const layerNormGrad: Op<NoParams> = {
  name: "layer-norm-grad",
  infer(inputs) {
    const statistics = { mean: "...", rstd: "..." };
    bindShapes("layer-norm-grad", inputs, { x: "... C", gamma: "C", dy: "... C", ...statistics });
    const [x, gamma] = inputs;
    return [x!, gamma!, gamma!];
  },
  flops: (inputs) => 15 * elementCount(inputs[0]!),
  inPlace: [2, 0],
  vjp: "not-differentiable",
};
