// Reference kernels of the optimiser steps. Each element is read before it is written: outputs lie on inputs.

import type { ReferenceKernel } from "../kernel.ts";
import type { NoParams } from "../ops/elementwise.ts";
import { adamUpdate, momentumUpdate, sgdUpdate, type MomentumUpdateParams } from "../ops/updates.ts";
import type { TensorData } from "../tensor.ts";

/** `hyper` by name. */
function hyperOf(hyper: TensorData) {
  const [lr, momentum, beta2, epsilon, weightDecay, biasCorrection1, biasCorrection2] = hyper as Float64Array;
  return {
    lr: lr!,
    momentum: momentum!,
    beta1: momentum!,
    beta2: beta2!,
    epsilon: epsilon!,
    weightDecay: weightDecay!,
    biasCorrection1: biasCorrection1!,
    biasCorrection2: biasCorrection2!,
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

export const adamUpdateReference: ReferenceKernel<NoParams> = {
  op: adamUpdate,
  run(_, [p, g, m, v, hyper], [pNext, mNext, vNext]) {
    const { lr, beta1, beta2, epsilon, weightDecay, biasCorrection1, biasCorrection2 } = hyperOf(hyper!);
    for (let i = 0; i < p!.length; i++) {
      const grad = g![i]! + weightDecay * p![i]!;
      const first = beta1 * m![i]! + (1 - beta1) * grad;
      const second = beta2 * v![i]! + (1 - beta2) * grad * grad;
      mNext![i] = first;
      vNext![i] = second;
      pNext![i] = p![i]! - (lr * (first / biasCorrection1)) / (Math.sqrt(second / biasCorrection2) + epsilon);
    }
  },
};
