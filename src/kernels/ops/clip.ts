// Gradients kept within bounds, all of them together or each by itself. The bound is part of the program.

import type { Op } from "../op.ts";
import { elementCount } from "../tensor.ts";
import { bindShapes } from "./shapes.ts";

export interface ClipParams {
  /** Above 0. */
  readonly maximum: number;
}

/** Added to the norm, as in PyTorch. */
export const CLIP_EPSILON = 1e-6;

/**
 * (x[...], squares[1]) -> x min(1, maximum / (sqrt(squares) + 1e-6)), PyTorch's `clip_grad_norm_`; `squares` are those of all
 * that is clipped together (Pascanu, Mikolov and Bengio 2013, algorithm 1)
 */
export const clipNorm: Op<ClipParams> = {
  name: "clip-norm",
  infer(inputs) {
    bindShapes("clip-norm", inputs, { x: "...", squares: "1" });
    return [inputs[0]!];
  },
  flops: (inputs) => elementCount(inputs[0]!),
  inPlace: [0],
  vjp: "not-differentiable",
};

/** x -> min(max(x, -maximum), maximum), PyTorch's `clip_grad_value_` */
export const clipValue: Op<ClipParams> = {
  name: "clip-value",
  infer(inputs) {
    bindShapes("clip-value", inputs, { x: "..." });
    return [inputs[0]!];
  },
  flops: (inputs) => 2 * elementCount(inputs[0]!),
  inPlace: [0],
  vjp: "not-differentiable",
};
