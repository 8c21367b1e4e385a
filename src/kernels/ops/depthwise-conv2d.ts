// Depthwise convolution: every channel c of x has M filters of its own and makes the channels cM .. cM + M - 1 of y, as
// in TensorFlow. And its two gradients.

import type { Op } from "../op.ts";
import { elementCount, f32 } from "../tensor.ts";
import { columnSum } from "./bias.ts";
import {
  convOutputType,
  expectOutputShape,
  type Conv2dGeometry,
  type Conv2dParams,
  type ConvWindow,
} from "./conv2d.ts";
import { beforeActivation } from "./elementwise.ts";
import { bindShapes, expectEqualExtents } from "./shapes.ts";
import { windowAxis } from "./window.ts";

export interface DepthwiseInputGradParams extends ConvWindow {
  /** [B,H,W,C] of x. */
  readonly inputShape: readonly [number, number, number, number];
}

export interface DepthwiseFilterGradParams extends ConvWindow {
  /** [KH,KW,C,M] of w. */
  readonly filterShape: readonly [number, number, number, number];
}

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
  { strides, padding, dilations = [1, 1] }: ConvWindow,
): DepthwiseGeometry {
  const { B, H, W, C, KH, KW, M } = bindShapes(op, [f32(...x), f32(...w)], { x: "B H W C", w: "KH KW C M" });
  return {
    ...{ B, H, W, C, KH, KW, M, N: C * M },
    vertical: windowAxis(op, "x.shape[1]", H, KH, strides[0], padding, dilations[0]),
    horizontal: windowAxis(op, "x.shape[2]", W, KW, strides[1], padding, dilations[1]),
    ...{ strides, dilations },
  };
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
  vjp: (context) => {
    const { inputs, needs, add } = context;
    const { activation: _, ...window } = context.params;
    const x = inputs[0]!;
    const w = inputs[1]!;
    const g = beforeActivation(context);
    // Gradients of parameters first: they are sent while the rest is computed.
    const filterShape = w.type.shape as DepthwiseFilterGradParams["filterShape"];
    const dw = needs(1) ? add(depthwiseConv2dFilterGrad, [x, g], { filterShape, ...window })[0] : undefined;
    const dbias = inputs.length === 3 && needs(2) ? add(columnSum, [g], {})[0] : undefined;
    const inputShape = x.type.shape as DepthwiseInputGradParams["inputShape"];
    const dx = needs(0) ? add(depthwiseConv2dInputGrad, [g, w], { inputShape, ...window })[0] : undefined;
    return inputs.length === 3 ? [dx, dw, dbias] : [dx, dw];
  },
};

/** (dy[B,OH,OW,CM], w[KH,KW,C,M], mask[B,H,W,C]?) -> dx[B,H,W,C] */
export const depthwiseConv2dInputGrad: Op<DepthwiseInputGradParams> = {
  name: "depthwise-conv2d-input-grad",
  infer(inputs, params) {
    const op = "depthwise-conv2d-input-grad";
    bindShapes(op, inputs, { dy: "B OH OW N", w: "KH KW C M", "mask?": "B H W C" });
    const [dy, w, mask] = inputs;
    expectOutputShape(op, dy!, depthwiseGeometry(op, params.inputShape, w!.shape, params));
    mask?.shape.forEach((extent, axis) => {
      expectEqualExtents(op, `mask.shape[${axis}]`, extent, "inputShape's", params.inputShape[axis]!);
    });
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
export const depthwiseConv2dFilterGrad: Op<DepthwiseFilterGradParams> = {
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
