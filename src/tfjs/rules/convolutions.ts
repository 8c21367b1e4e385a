// Convolution, full and depthwise, with bias and activation or without, and its two gradients.

import type { Conv2DAttrs, FusedConv2DAttrs, TensorInfo } from "@tensorflow/tfjs-core";
import {
  conv2d,
  conv2dFilterGrad,
  conv2dInputGrad,
  type Conv2dFilterGradParams,
  type Conv2dInputGradParams,
  type Conv2dParams,
} from "../../kernels/ops/conv2d.ts";
import {
  depthwiseConv2d,
  depthwiseConv2dFilterGrad,
  depthwiseConv2dInputGrad,
} from "../../kernels/ops/depthwise-conv2d.ts";
import type { Op } from "../../kernels/op.ts";
import {
  whole,
  type AnyKernelRule,
  type Computation,
  type KernelRule,
  type Tensors,
  type Unsupported,
} from "../kernel-rule.ts";
import { epilogueOf } from "./epilogue.ts";
import { windowOf, type WindowAttrs } from "./window.ts";

type Shape4 = readonly [number, number, number, number];

interface Family {
  readonly kernelNames: Readonly<Record<"forward" | "fused" | "inputGradient" | "filterGradient", string>>;
  readonly forward: Op<Conv2dParams>;
  readonly inputGradient: Op<Conv2dInputGradParams>;
  readonly filterGradient: Op<Conv2dFilterGradParams>;
}

const families: readonly Family[] = [
  {
    kernelNames: {
      forward: "Conv2D",
      fused: "FusedConv2D",
      inputGradient: "Conv2DBackpropInput",
      filterGradient: "Conv2DBackpropFilter",
    },
    forward: conv2d,
    inputGradient: conv2dInputGrad,
    filterGradient: conv2dFilterGrad,
  },
  {
    kernelNames: {
      forward: "DepthwiseConv2dNative",
      fused: "FusedDepthwiseConv2D",
      inputGradient: "DepthwiseConv2dNativeBackpropInput",
      filterGradient: "DepthwiseConv2dNativeBackpropFilter",
    },
    forward: depthwiseConv2d,
    inputGradient: depthwiseConv2dInputGrad,
    filterGradient: depthwiseConv2dFilterGrad,
  },
];

export const convolutionRules: readonly AnyKernelRule[] = families.flatMap(rulesOf);

function rulesOf({ kernelNames, ...ops }: Family): readonly AnyKernelRule[] {
  const convolution = (
    { x, filter }: Tensors<"x" | "filter">,
    attrs: WindowAttrs,
    bias: readonly TensorInfo[],
    activation: Conv2dParams["activation"],
  ): Computation | Unsupported => {
    const window = windowOf(attrs);
    if (typeof window === "string") return window;
    return { op: ops.forward, params: { ...window, activation }, operands: whole(x, filter, ...bias) };
  };

  const forward: KernelRule<Tensors<"x" | "filter">, Conv2DAttrs> = {
    kernelName: kernelNames.forward,
    translate: (inputs, attrs) => convolution(inputs, attrs, [], "none"),
  };
  const fused: KernelRule<Tensors<"x" | "filter", "bias">, FusedConv2DAttrs> = {
    kernelName: kernelNames.fused,
    translate(inputs, attrs) {
      const epilogue = epilogueOf(inputs, attrs);
      if (typeof epilogue === "string") return epilogue;
      return convolution(inputs, attrs, epilogue.bias, epilogue.activation);
    },
  };
  const inputGradient: KernelRule<Tensors<"dy" | "filter">, WindowAttrs & { inputShape: Shape4 }> = {
    kernelName: kernelNames.inputGradient,
    translate({ dy, filter }, { inputShape, ...attrs }) {
      const window = windowOf(attrs);
      if (typeof window === "string") return window;
      const params = { inputShape, ...window };
      return { op: ops.inputGradient, params, operands: whole(dy, filter), resultShape: inputShape };
    },
  };
  const filterGradient: KernelRule<Tensors<"x" | "dy">, WindowAttrs & { filterShape: Shape4 }> = {
    kernelName: kernelNames.filterGradient,
    translate({ x, dy }, { filterShape, ...attrs }) {
      const window = windowOf(attrs);
      if (typeof window === "string") return window;
      const params = { filterShape, ...window };
      return { op: ops.filterGradient, params, operands: whole(x, dy), resultShape: filterShape };
    },
  };
  return [forward, fused, inputGradient, filterGradient];
}
