// Depthwise convolution: every channel c of x has M filters of its own and makes the channels cM .. cM + M - 1 of y, as
// in TensorFlow. And its two gradients.

import type { Op } from "../op.ts";
import { elementCount, f32 } from "../tensor.ts";
import {
  convolutionVjp,
  convOutputType,
  expectMaskShape,
  expectOutputShape,
  windowGeometry,
  type Conv2dFilterGradParams,
  type Conv2dGeometry,
  type Conv2dInputGradParams,
  type Conv2dParams,
  type ConvWindow,
} from "./conv2d.ts";
import { bindShapes, expectEqualExtents } from "./shapes.ts";

/** `N` = C M. */
export interface DepthwiseGeometry extends Conv2dGeometry {
  /** Filters of a channel. */
  readonly M: number;
}

/** Throws "shape-mismatch" if filter and image do not fit each other. */
export function depthwiseGeometry(
  op: string,
  x: readonly number[],
  w: readonly number[],
  window: ConvWindow,
): DepthwiseGeometry {
  const extents = bindShapes(op, [f32(...x), f32(...w)], { x: "B H W C", w: "KH KW C M" });
  return { ...extents, N: extents.C * extents.M, ...windowGeometry(op, extents, window) };
}

/** Two for every tap of every output, taps on padding included, as is the custom. */
function depthwiseFlops(geometry: DepthwiseGeometry): number {
  return 2 * elementCount(convOutputType(geometry)) * geometry.KH * geometry.KW;
}

/** (x[B,H,W,C], w[KH,KW,C,M], bias[CM]?) -> activation(conv(x, w) + bias)[B,OH,OW,CM] */
export const depthwiseConv2d: Op<Conv2dParams> = {
  name: "depthwise-conv2d",
  infer(inputs, params) {
    const { N } = bindShapes("depthwise-conv2d", inputs, { x: "B H W C", w: "KH KW C M", "bias?": "N" });
    const geometry = depthwiseGeometry("depthwise-conv2d", inputs[0]!.shape, inputs[1]!.shape, params);
    if (inputs.length === 3) expectEqualExtents("depthwise-conv2d", "bias.shape[0]", N, "C M", geometry.N);
    return [convOutputType(geometry)];
  },
  flops(inputs, params) {
    const geometry = depthwiseGeometry("depthwise-conv2d", inputs[0]!.shape, inputs[1]!.shape, params);
    return depthwiseFlops(geometry) + (inputs.length === 3 ? elementCount(convOutputType(geometry)) : 0);
  },
  vjp: convolutionVjp(
    () => depthwiseConv2dInputGrad,
    () => depthwiseConv2dFilterGrad,
  ),
};

/** (dy[B,OH,OW,CM], w[KH,KW,C,M], mask[B,H,W,C]?) -> dx[B,H,W,C] */
export const depthwiseConv2dInputGrad: Op<Conv2dInputGradParams> = {
  name: "depthwise-conv2d-input-grad",
  infer(inputs, params) {
    const op = "depthwise-conv2d-input-grad";
    bindShapes(op, inputs, { dy: "B OH OW N", w: "KH KW C M", "mask?": "B H W C" });
    const [dy, w, mask] = inputs;
    expectOutputShape(op, dy!, depthwiseGeometry(op, params.inputShape, w!.shape, params));
    expectMaskShape(op, mask, params.inputShape);
    return [f32(...params.inputShape)];
  },
  flops: (inputs, params) =>
    depthwiseFlops(
      depthwiseGeometry("depthwise-conv2d-input-grad", params.inputShape, inputs[1]!.shape, params),
    ),
  maskOperand: 2,
  vjp: "not-differentiable",
};

/** (x[B,H,W,C], dy[B,OH,OW,CM]) -> dw[KH,KW,C,M] */
export const depthwiseConv2dFilterGrad: Op<Conv2dFilterGradParams> = {
  name: "depthwise-conv2d-filter-grad",
  infer(inputs, params) {
    const op = "depthwise-conv2d-filter-grad";
    bindShapes(op, inputs, { x: "B H W C", dy: "B OH OW N" });
    const [x, dy] = inputs;
    expectOutputShape(op, dy!, depthwiseGeometry(op, x!.shape, params.filterShape, params));
    return [f32(...params.filterShape)];
  },
  flops: (inputs, params) =>
    depthwiseFlops(
      depthwiseGeometry("depthwise-conv2d-filter-grad", inputs[0]!.shape, params.filterShape, params),
    ),
  vjp: "not-differentiable",
};
