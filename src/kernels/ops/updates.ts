// Optimiser steps over flat vectors, element by element, so that they run unchanged on any chunk. Outputs lie at the
// inputs' own addresses: kernels read an element before they write it.
// hyper = f32[8]: [lr, momentum | beta1, beta2, epsilon, weightDecay, 1 - beta1^t, 1 - beta2^t, trust coefficient].

import type { Op } from "../op.ts";
import { elementCount } from "../tensor.ts";
import type { NoParams } from "./elementwise.ts";
import { bindShapes } from "./shapes.ts";

/** Elements of the vector `hyper`. */
export const HYPER_ELEMENTS = 8;

export interface MomentumUpdateParams {
  readonly nesterov: boolean;
}

export interface AdamUpdateParams {
  /** Whether the decay acts on the parameters themselves (AdamW) rather than on the gradient. */
  readonly decoupled: boolean;
}

/** (p, g, ...state, hyper[8], ...scalars) -> p', ...state' */
function update<P extends object>(
  name: string,
  state: readonly string[],
  flopsPerElement: (params: P) => number,
  scalars: readonly string[] = [],
): Op<P> {
  const vectors = Object.fromEntries(["p", "g", ...state].map((operand) => [operand, "L"]));
  const ones = Object.fromEntries(scalars.map((operand) => [operand, "1"]));
  return {
    name,
    infer(inputs) {
      bindShapes(name, inputs, { ...vectors, hyper: "8", ...ones });
      return [inputs[0]!, ...state.map((_, index) => inputs[2 + index]!)];
    },
    flops: (inputs, params) => flopsPerElement(params) * elementCount(inputs[0]!),
    inPlace: [0],
    vjp: "not-differentiable",
  };
}

/** g' = g + weightDecay p; p' = p - lr g' */
export const sgdUpdate = update<NoParams>("sgd-update", [], () => 4);

/** m' = momentum m + g'; p' = p - lr (nesterov ? g' + momentum m' : m'), as in PyTorch's SGD without dampening */
export const momentumUpdate = update<MomentumUpdateParams>("momentum-update", ["m"], ({ nesterov }) =>
  nesterov ? 8 : 6,
);

/**
 * m' = beta1 m + (1 - beta1) g'; v' = beta2 v + (1 - beta2) g'^2;
 * p' = p - lr (m' / biasCorrection1) / (sqrt(v' / biasCorrection2) + epsilon), as in PyTorch's Adam with L2 decay.
 * Decoupled: g' = g, and p' = (p - lr weightDecay p) - ..., as in PyTorch's AdamW (Loshchilov and Hutter 2019)
 */
export const adamUpdate = update<AdamUpdateParams>("adam-update", ["m", "v"], () => 16);

/** s' = s + g'^2; p' = p - lr g' / (sqrt(s') + epsilon), as in PyTorch's Adagrad without learning-rate decay */
export const adagradUpdate = update<NoParams>("adagrad-update", ["s"], () => 9);

/**
 * (p, g, m, hyper, |p|^2, |g|^2): with the trust ratio r = trust |p| / (|g| + weightDecay |p|), or 1 where a norm is 0,
 * m' = momentum m + lr r g'; p' = p - m' (You, Gitman and Ginsburg 2017, "Large batch training of convolutional
 * networks", algorithm 1). One tensor: the norms are its own. Without them r = 1 and nothing decays, as is the practice
 * for biases and what normalises.
 */
export const larsUpdate = update<NoParams>("lars-update", ["m"], () => 7, [
  "parameterSquares?",
  "gradientSquares?",
]);
