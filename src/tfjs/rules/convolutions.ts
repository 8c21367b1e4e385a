// Convolution, with bias and activation or without, and its two gradients.

import type {
  Conv2DAttrs,
  Conv2DBackpropFilterAttrs,
  Conv2DBackpropInputAttrs,
  FusedConv2DAttrs,
  TensorInfo,
} from "@tensorflow/tfjs-core";
import {
  conv2d,
  conv2dFilterGrad,
  conv2dGeometry,
  conv2dInputGrad,
  type Conv2dParams,
} from "../../kernels/ops/conv2d.ts";
import {
  whole,
  type AnyKernelRule,
  type Computation,
  type KernelRule,
  type Tensors,
  type Unsupported,
} from "../kernel-rule.ts";
import { epilogueOf } from "./epilogue.ts";
import { windowOf } from "./window.ts";

function convolution(
  { x, filter }: Tensors<"x" | "filter">,
  attrs: Conv2DAttrs,
  bias: readonly TensorInfo[],
  activation: Conv2dParams["activation"],
): Computation | Unsupported {
  const window = windowOf(attrs);
  if (typeof window === "string") return window;
  const { B, vertical, horizontal, N } = conv2dGeometry("conv2d", x.shape, filter.shape, window);
  return {
    op: conv2d,
    params: { ...window, activation },
    operands: whole(x, filter, ...bias),
    resultShape: [B, vertical.output, horizontal.output, N],
  };
}

const forward: KernelRule<Tensors<"x" | "filter">, Conv2DAttrs> = {
  kernelName: "Conv2D",
  translate: (inputs, attrs) => convolution(inputs, attrs, [], "none"),
};

const fused: KernelRule<Tensors<"x" | "filter", "bias" | "preluActivationWeights">, FusedConv2DAttrs> = {
  kernelName: "FusedConv2D",
  translate(inputs, attrs) {
    const epilogue = epilogueOf(inputs, attrs);
    if (typeof epilogue === "string") return epilogue;
    return convolution(inputs, attrs, epilogue.bias, epilogue.activation);
  },
};

const inputGradient: KernelRule<Tensors<"dy" | "filter">, Conv2DBackpropInputAttrs> = {
  kernelName: "Conv2DBackpropInput",
  translate({ dy, filter }, attrs) {
    const window = windowOf(attrs);
    if (typeof window === "string") return window;
    const { inputShape } = attrs;
    return {
      op: conv2dInputGrad,
      params: { inputShape, ...window },
      operands: whole(dy, filter),
      resultShape: inputShape,
    };
  },
};

const filterGradient: KernelRule<Tensors<"x" | "dy">, Conv2DBackpropFilterAttrs> = {
  kernelName: "Conv2DBackpropFilter",
  translate({ x, dy }, attrs) {
    const window = windowOf(attrs);
    if (typeof window === "string") return window;
    const { filterShape } = attrs;
    return {
      op: conv2dFilterGrad,
      params: { filterShape, ...window },
      operands: whole(x, dy),
      resultShape: filterShape,
    };
  },
};

export const convolutionRules: readonly AnyKernelRule[] = [forward, fused, inputGradient, filterGradient];
