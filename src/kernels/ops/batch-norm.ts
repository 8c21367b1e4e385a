// Batch normalisation over all axes but the last (S. Ioffe, C. Szegedy, "Batch normalization", 2015, algorithms 1 and
// 2), with the activation behind it: in training by the batch's own statistics, else by moving averages.

import { assert } from "../../errors.ts";
import type { Op, VjpContext } from "../op.ts";
import { elementCount } from "../tensor.ts";
import type { Activation } from "./elementwise.ts";
import { bindShapes } from "./shapes.ts";

export interface BatchNormParams {
  /** Added to the variance. */
  readonly epsilon: number;
  readonly activation: Activation;
}

export interface BatchNormGradParams {
  readonly activation: Activation;
  /** Whose mean and rstd normalised x: those of x itself, through which dx flows too, or constants. */
  readonly statistics: "batch" | "moving";
}

export interface MovingAverageParams {
  /** Share of the old value, in [0, 1]. */
  readonly momentum: number;
}

/**
 * (x[...,C], gamma[C], beta[C]) -> (y[...,C], mean[C], variance[C], rstd[C]):
 * y = activation((x - mean) rstd gamma + beta), rstd = 1 / sqrt(variance + epsilon). The variance is the biased one.
 * The statistics have no gradient of their own.
 */
export const batchNorm: Op<BatchNormParams> = {
  name: "batch-norm",
  infer(inputs) {
    bindShapes("batch-norm", inputs, { x: "... C", gamma: "C", beta: "C" });
    const [x, gamma] = inputs;
    return [x!, gamma!, gamma!, gamma!];
  },
  flops: (inputs) => 7 * elementCount(inputs[0]!),
  vjp: (context) => {
    const [, mean, , rstd] = context.outputs;
    return normVjp(context, [mean!, rstd!], "batch");
  },
};

/**
 * (x[...,C], gamma[C], beta[C], movingMean[C], movingVariance[C]) -> (y[...,C], rstd[C]), as `batch-norm` with the
 * statistics given; they get no gradient.
 */
export const batchNormInference: Op<BatchNormParams> = {
  name: "batch-norm-inference",
  infer(inputs) {
    const vectors = { gamma: "C", beta: "C", movingMean: "C", movingVariance: "C" };
    bindShapes("batch-norm-inference", inputs, { x: "... C", ...vectors });
    return [inputs[0]!, inputs[1]!];
  },
  flops: (inputs) => 4 * elementCount(inputs[0]!),
  inPlace: [0],
  vjp: (context) => {
    const movingMean = context.inputs[3]!;
    const rstd = context.outputs[1]!;
    return [...normVjp(context, [movingMean, rstd], "moving"), undefined, undefined];
  },
};

function normVjp(
  { inputs, outputGrads, params: { activation }, add }: VjpContext<BatchNormParams>,
  statistics: readonly VjpContext<BatchNormParams>["inputs"][number][],
  kind: BatchNormGradParams["statistics"],
) {
  const [dy, ...rest] = outputGrads;
  assert(
    dy !== undefined && rest.every((grad) => grad === undefined),
    "an objective depends on the statistics of a batch norm, which have no gradient",
  );
  const [x, gamma, beta] = inputs;
  return add(batchNormGrad, [x!, gamma!, beta!, dy, ...statistics], { activation, statistics: kind });
}

/**
 * (x[...,C], gamma[C], beta[C], dy[...,C], mean[C], rstd[C]) -> (dx[...,C], dgamma[C], dbeta[C]). With z = (x - mean) rstd
 * and g = dy, but 0 where the activation cut off: dgamma = sum g z, dbeta = sum g, and dx = gamma rstd (g - dbeta / R -
 * z dgamma / R) over R rows, or gamma rstd g for moving statistics. What was cut off is computed from x again: that
 * costs less than reading y.
 */
export const batchNormGrad: Op<BatchNormGradParams> = {
  name: "batch-norm-grad",
  infer(inputs) {
    const vectors = { gamma: "C", beta: "C", dy: "... C", mean: "C", rstd: "C" };
    bindShapes("batch-norm-grad", inputs, { x: "... C", ...vectors });
    const [x, gamma, beta] = inputs;
    return [x!, gamma!, beta!];
  },
  flops: (inputs) => 11 * elementCount(inputs[0]!),
  inPlace: [3, 0],
  vjp: "not-differentiable",
};

/** (old, new) -> momentum old + (1 - momentum) new */
export const movingAverage: Op<MovingAverageParams> = {
  name: "moving-average",
  infer(inputs) {
    bindShapes("moving-average", inputs, { old: "...", new: "..." });
    return [inputs[0]!];
  },
  flops: (inputs) => 3 * elementCount(inputs[0]!),
  inPlace: [0],
  vjp: "not-differentiable",
};
