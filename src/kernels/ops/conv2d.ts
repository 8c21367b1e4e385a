// 2-D convolution (cross-correlation, as in TensorFlow) over NHWC images with HWIO filters, and its two gradients.

import type { Op, Vjp } from "../op.ts";
import { elementCount, f32, type TensorType } from "../tensor.ts";
import { columnSum } from "./bias.ts";
import { beforeActivation, type Activation } from "./elementwise.ts";
import { bindShapes, expectEqualExtents } from "./shapes.ts";
import { windowAxis, type Padding, type WindowAxis } from "./window.ts";

/** Vertical, horizontal. */
export interface ConvWindow {
  readonly strides: readonly [number, number];
  readonly padding: Padding;
  /** Cells of the image from one cell of the filter to the next; [1, 1] if left out. */
  readonly dilations?: readonly [number, number];
}

export interface Conv2dParams extends ConvWindow {
  readonly activation: Activation;
}

export interface Conv2dInputGradParams extends ConvWindow {
  /** [B,H,W,C] of x. */
  readonly inputShape: readonly [number, number, number, number];
}

export interface Conv2dFilterGradParams extends ConvWindow {
  /** [KH,KW,C,N] of w; [KH,KW,C,M] of a depthwise one. */
  readonly filterShape: readonly [number, number, number, number];
}

/** All extents of one convolution, `N` the channels of y: the same for forward and both gradients. */
export interface Conv2dGeometry {
  readonly B: number;
  readonly H: number;
  readonly W: number;
  readonly C: number;
  readonly KH: number;
  readonly KW: number;
  readonly N: number;
  readonly vertical: WindowAxis;
  readonly horizontal: WindowAxis;
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
}

/** Throws "shape-mismatch" if filter and image do not fit each other. */
export function conv2dGeometry(
  op: string,
  x: readonly number[],
  w: readonly number[],
  window: ConvWindow,
): Conv2dGeometry {
  const extents = bindShapes(op, [f32(...x), f32(...w)], { x: "B H W C", w: "KH KW C N" });
  return { ...extents, ...windowGeometry(op, extents, window) };
}

/** How a filter [KH, KW] moves over an image [H, W]. Throws "shape-mismatch" if it does not fit. */
export function windowGeometry(
  op: string,
  { H, W, KH, KW }: Pick<Conv2dGeometry, "H" | "W" | "KH" | "KW">,
  { strides, padding, dilations = [1, 1] }: ConvWindow,
): Pick<Conv2dGeometry, "vertical" | "horizontal" | "strides" | "dilations"> {
  return {
    vertical: windowAxis(op, "x.shape[1]", H, KH, strides[0], padding, dilations[0]),
    horizontal: windowAxis(op, "x.shape[2]", W, KW, strides[1], padding, dilations[1]),
    strides,
    dilations,
  };
}

export function convOutputType({ B, N, vertical, horizontal }: Conv2dGeometry): TensorType {
  return f32(B, vertical.output, horizontal.output, N);
}

/** Throws "shape-mismatch" unless dy has the shape of the convolution's output. */
export function expectOutputShape(op: string, dy: TensorType, geometry: Conv2dGeometry): void {
  bindShapes(op, [dy], { dy: "B OH OW N" });
  convOutputType(geometry).shape.forEach((extent, axis) => {
    expectEqualExtents(op, `dy.shape[${axis}]`, dy.shape[axis]!, "the convolution's", extent);
  });
}

/** Throws "shape-mismatch" if there is a mask of another shape [B,H,W,C] than the input's. */
export function expectMaskShape(
  op: string,
  mask: TensorType | undefined,
  inputShape: Conv2dInputGradParams["inputShape"],
): void {
  mask?.shape.forEach((extent, axis) => {
    expectEqualExtents(op, `mask.shape[${axis}]`, extent, "inputShape's", inputShape[axis]!);
  });
}

/** Of a convolution (x, w, bias?) whose gradients with regard to x and w are these ops. */
export function convolutionVjp(
  inputGrad: () => Op<Conv2dInputGradParams>,
  filterGrad: () => Op<Conv2dFilterGradParams>,
): Vjp<Conv2dParams> {
  return (context) => {
    const { inputs, needs, add } = context;
    const { activation: _, ...window } = context.params;
    const x = inputs[0]!;
    const w = inputs[1]!;
    const g = beforeActivation(context);
    // Gradients of parameters first: they are sent while the rest is computed.
    const filterShape = w.type.shape as Conv2dFilterGradParams["filterShape"];
    const dw = needs(1) ? add(filterGrad(), [x, g], { filterShape, ...window })[0] : undefined;
    const dbias = inputs.length === 3 && needs(2) ? add(columnSum, [g], {})[0] : undefined;
    const inputShape = x.type.shape as Conv2dInputGradParams["inputShape"];
    const dx = needs(0) ? add(inputGrad(), [g, w], { inputShape, ...window })[0] : undefined;
    return inputs.length === 3 ? [dx, dw, dbias] : [dx, dw];
  };
}

/** Two for every tap of every output, taps on padding included, as is the custom. */
function convFlops(geometry: Conv2dGeometry): number {
  return 2 * elementCount(convOutputType(geometry)) * geometry.KH * geometry.KW * geometry.C;
}

/** (x[B,H,W,C], w[KH,KW,C,N], bias[N]?) -> activation(conv(x, w) + bias)[B,OH,OW,N] */
export const conv2d: Op<Conv2dParams> = {
  name: "conv2d",
  infer(inputs, params) {
    bindShapes("conv2d", inputs, { x: "B H W C", w: "KH KW C N", "bias?": "N" });
    return [convOutputType(conv2dGeometry("conv2d", inputs[0]!.shape, inputs[1]!.shape, params))];
  },
  flops(inputs, params) {
    const geometry = conv2dGeometry("conv2d", inputs[0]!.shape, inputs[1]!.shape, params);
    return convFlops(geometry) + (inputs.length === 3 ? elementCount(convOutputType(geometry)) : 0);
  },
  vjp: convolutionVjp(
    () => conv2dInputGrad,
    () => conv2dFilterGrad,
  ),
};

/** (dy[B,OH,OW,N], w[KH,KW,C,N], mask[B,H,W,C]?) -> dx[B,H,W,C] */
export const conv2dInputGrad: Op<Conv2dInputGradParams> = {
  name: "conv2d-input-grad",
  infer(inputs, params) {
    bindShapes("conv2d-input-grad", inputs, { dy: "B OH OW N", w: "KH KW C N", "mask?": "B H W C" });
    const [dy, w] = inputs;
    const geometry = conv2dGeometry("conv2d-input-grad", params.inputShape, w!.shape, params);
    expectOutputShape("conv2d-input-grad", dy!, geometry);
    expectMaskShape("conv2d-input-grad", inputs[2], params.inputShape);
    return [f32(...params.inputShape)];
  },
  flops: (inputs, params) =>
    convFlops(conv2dGeometry("conv2d-input-grad", params.inputShape, inputs[1]!.shape, params)),
  maskOperand: 2,
  vjp: "not-differentiable",
};

/** (x[B,H,W,C], dy[B,OH,OW,N]) -> dw[KH,KW,C,N] */
export const conv2dFilterGrad: Op<Conv2dFilterGradParams> = {
  name: "conv2d-filter-grad",
  infer(inputs, params) {
    bindShapes("conv2d-filter-grad", inputs, { x: "B H W C", dy: "B OH OW N" });
    const [x, dy] = inputs;
    const geometry = conv2dGeometry("conv2d-filter-grad", x!.shape, params.filterShape, params);
    expectOutputShape("conv2d-filter-grad", dy!, geometry);
    return [f32(...params.filterShape)];
  },
  flops: (inputs, params) =>
    convFlops(conv2dGeometry("conv2d-filter-grad", inputs[0]!.shape, params.filterShape, params)),
  vjp: "not-differentiable",
};
