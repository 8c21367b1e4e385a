// Reference kernels of batch normalisation: mean first, then the deviations from it, all in float64.

import type { ReferenceKernel } from "../kernel.ts";
import type { Activation } from "../ops/elementwise.ts";
import {
  batchNorm,
  batchNormGrad,
  batchNormInference,
  movingAverage,
  type BatchNormGradParams,
  type BatchNormParams,
  type MovingAverageParams,
} from "../ops/batch-norm.ts";
import type { TensorData } from "../tensor.ts";
import { inDouble } from "./in-double.ts";

function activate(value: number, activation: Activation): number {
  return activation === "relu" ? Math.max(value, 0) : value;
}

/** Stores the mean over the rows of x of `valueOf(x_i, column)`. */
function columnMeans(
  out: TensorData,
  x: TensorData,
  valueOf: (value: number, column: number) => number,
): void {
  const columns = out.length;
  inDouble(out, (sums) => {
    x.forEach((value, i) => {
      sums[i % columns]! += valueOf(value, i % columns);
    });
    for (let c = 0; c < columns; c++) sums[c]! /= x.length / columns;
  });
}

function normalise(
  y: TensorData,
  [x, gamma, beta, mean, rstd]: readonly TensorData[],
  activation: Activation,
): void {
  x!.forEach((value, i) => {
    const c = i % mean!.length;
    y[i] = activate((value - mean![c]!) * rstd![c]! * gamma![c]! + beta![c]!, activation);
  });
}

export const batchNormReference: ReferenceKernel<BatchNormParams> = {
  op: batchNorm,
  run({ params: { epsilon, activation } }, [x, gamma, beta], [y, mean, variance, rstd]) {
    columnMeans(mean!, x!, (value) => value);
    columnMeans(variance!, x!, (value, c) => (value - mean![c]!) ** 2);
    rstd!.set(variance!.map((value) => 1 / Math.sqrt(value + epsilon)));
    normalise(y!, [x!, gamma!, beta!, mean!, rstd!], activation);
  },
};

export const batchNormInferenceReference: ReferenceKernel<BatchNormParams> = {
  op: batchNormInference,
  run({ params: { epsilon, activation } }, [x, gamma, beta, mean, variance], [y, rstd]) {
    rstd!.set(variance!.map((value) => 1 / Math.sqrt(value + epsilon)));
    normalise(y!, [x!, gamma!, beta!, mean!, rstd!], activation);
  },
};

export const batchNormGradReference: ReferenceKernel<BatchNormGradParams> = {
  op: batchNormGrad,
  run({ params: { activation, statistics } }, [x, gamma, beta, dy, mean, rstd], [dx, dgamma, dbeta]) {
    const columns = mean!.length;
    const rows = x!.length / columns;
    const z = Float64Array.from(x!, (value, i) => (value - mean![i % columns]!) * rstd![i % columns]!);
    const g = Float64Array.from(dy!, (value, i) => {
      const before = z[i]! * gamma![i % columns]! + beta![i % columns]!;
      return activation === "none" || before > 0 ? value : 0;
    });
    inDouble(dgamma!, (sums) => {
      g.forEach((value, i) => (sums[i % columns]! += value * z[i]!));
    });
    inDouble(dbeta!, (sums) => {
      g.forEach((value, i) => (sums[i % columns]! += value));
    });
    g.forEach((value, i) => {
      const c = i % columns;
      const throughStatistics = statistics === "batch" ? (dbeta![c]! + z[i]! * dgamma![c]!) / rows : 0;
      dx![i] = gamma![c]! * rstd![c]! * (value - throughStatistics);
    });
  },
};

export const movingAverageReference: ReferenceKernel<MovingAverageParams> = {
  op: movingAverage,
  run({ params: { momentum } }, [before, now], [after]) {
    for (let i = 0; i < after!.length; i++) after![i] = momentum * before![i]! + (1 - momentum) * now![i]!;
  },
};
