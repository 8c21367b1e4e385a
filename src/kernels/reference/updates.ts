// Reference kernels of the optimiser steps. Each element is read before it is written: outputs lie on inputs.

import type { ReferenceKernel } from "../kernel.ts";
import type { NoParams } from "../ops/elementwise.ts";
import {
  adagradUpdate,
  adamUpdate,
  larsUpdate,
  momentumUpdate,
  sgdUpdate,
  type AdamUpdateParams,
  type MomentumUpdateParams,
} from "../ops/updates.ts";
import type { TensorData } from "../tensor.ts";

/** `hyper` by name. */
function hyperOf(hyper: TensorData) {
  const [lr, momentum, beta2, epsilon, weightDecay, biasCorrection1, biasCorrection2, trustCoefficient] =
    hyper as Float64Array;
  return {
    lr: lr!,
    momentum: momentum!,
    beta1: momentum!,
    beta2: beta2!,
    epsilon: epsilon!,
    weightDecay: weightDecay!,
    biasCorrection1: biasCorrection1!,
    biasCorrection2: biasCorrection2!,
    trustCoefficient: trustCoefficient!,
  };
}

export const sgdUpdateReference: ReferenceKernel<NoParams> = {
  op: sgdUpdate,
  run(_, [p, g, hyper], [pNext]) {
    const { lr, weightDecay } = hyperOf(hyper!);
    for (let i = 0; i < p!.length; i++) pNext![i] = p![i]! - lr * (g![i]! + weightDecay * p![i]!);
  },
};

export const momentumUpdateReference: ReferenceKernel<MomentumUpdateParams> = {
  op: momentumUpdate,
  run({ params: { nesterov } }, [p, g, m, hyper], [pNext, mNext]) {
    const { lr, momentum, weightDecay } = hyperOf(hyper!);
    for (let i = 0; i < p!.length; i++) {
      const grad = g![i]! + weightDecay * p![i]!;
      const velocity = momentum * m![i]! + grad;
      mNext![i] = velocity;
      pNext![i] = p![i]! - lr * (nesterov ? grad + momentum * velocity : velocity);
    }
  },
};

export const adamUpdateReference: ReferenceKernel<AdamUpdateParams> = {
  op: adamUpdate,
  run({ params: { decoupled } }, [p, g, m, v, hyper], [pNext, mNext, vNext]) {
    const { lr, beta1, beta2, epsilon, weightDecay, biasCorrection1, biasCorrection2 } = hyperOf(hyper!);
    for (let i = 0; i < p!.length; i++) {
      const grad = decoupled ? g![i]! : g![i]! + weightDecay * p![i]!;
      const before = decoupled ? p![i]! - lr * weightDecay * p![i]! : p![i]!;
      const first = beta1 * m![i]! + (1 - beta1) * grad;
      const second = beta2 * v![i]! + (1 - beta2) * grad * grad;
      mNext![i] = first;
      vNext![i] = second;
      pNext![i] = before - (lr * (first / biasCorrection1)) / (Math.sqrt(second / biasCorrection2) + epsilon);
    }
  },
};

export const adagradUpdateReference: ReferenceKernel<NoParams> = {
  op: adagradUpdate,
  run(_, [p, g, s, hyper], [pNext, sNext]) {
    const { lr, epsilon, weightDecay } = hyperOf(hyper!);
    for (let i = 0; i < p!.length; i++) {
      const grad = g![i]! + weightDecay * p![i]!;
      const squares = s![i]! + grad * grad;
      sNext![i] = squares;
      pNext![i] = p![i]! - (lr * grad) / (Math.sqrt(squares) + epsilon);
    }
  },
};

export const larsUpdateReference: ReferenceKernel<NoParams> = {
  op: larsUpdate,
  run(_, [p, g, m, hyper, parameterSquares, gradientSquares], [pNext, mNext]) {
    const { lr, momentum, trustCoefficient, ...decay } = hyperOf(hyper!);
    const weightDecay = parameterSquares === undefined ? 0 : decay.weightDecay;
    const parameterNorm = Math.sqrt(parameterSquares?.[0] ?? 0);
    const gradientNorm = Math.sqrt(gradientSquares?.[0] ?? 0);
    const ratio =
      parameterNorm > 0 && gradientNorm > 0
        ? (trustCoefficient * parameterNorm) / (gradientNorm + weightDecay * parameterNorm)
        : 1;
    for (let i = 0; i < p!.length; i++) {
      mNext![i] = momentum * m![i]! + lr * ratio * (g![i]! + weightDecay * p![i]!);
      pNext![i] = p![i]! - mNext![i]!;
    }
  },
};
