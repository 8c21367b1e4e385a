// Pools and their gradients. tf.js divides a gradient of average pooling by the window's cells even where some lie
// outside the image, and so does not what it differentiates; with padding its own kernel remains.

import type { AvgPoolAttrs, AvgPoolGradAttrs, MaxPoolAttrs, MaxPoolGradAttrs } from "@tensorflow/tfjs-core";
import type { AnyOp } from "../../kernels/op.ts";
import {
  avgPool,
  avgPoolGrad,
  maxPool,
  maxPoolGrad,
  poolGeometry,
  type PoolParams,
} from "../../kernels/ops/pooling.ts";
import {
  whole,
  type Computation,
  type AnyKernelRule,
  type KernelRule,
  type Tensors,
  type Unsupported,
} from "../kernel-rule.ts";
import { pairOf, windowOf, type WindowAttrs } from "./window.ts";

interface PoolAttrs extends WindowAttrs {
  readonly filterSize: readonly [number, number] | number;
}

function poolOf(attrs: PoolAttrs): PoolParams | Unsupported {
  const window = windowOf(attrs);
  if (typeof window === "string") return window;
  const { strides, padding } = window;
  return { poolSize: pairOf(attrs.filterSize), strides, padding };
}

function pooled(op: AnyOp, { x }: Tensors<"x">, attrs: PoolAttrs): Computation | Unsupported {
  const params = poolOf(attrs);
  if (typeof params === "string") return params;
  return { op, params, operands: whole(x) };
}

const maximum: KernelRule<Tensors<"x">, MaxPoolAttrs> = {
  kernelName: "MaxPool",
  translate: (inputs, attrs) => pooled(maxPool, inputs, attrs),
};

const average: KernelRule<Tensors<"x">, AvgPoolAttrs> = {
  kernelName: "AvgPool",
  translate: (inputs, attrs) => pooled(avgPool, inputs, attrs),
};

const maximumGradient: KernelRule<Tensors<"dy" | "input" | "output">, MaxPoolGradAttrs> = {
  kernelName: "MaxPoolGrad",
  translate({ dy, input, output }, attrs) {
    const params = poolOf(attrs);
    if (typeof params === "string") return params;
    return { op: maxPoolGrad, params, operands: whole(input, output, dy), resultShape: input.shape };
  },
};

const averageGradient: KernelRule<Tensors<"dy" | "input">, AvgPoolGradAttrs> = {
  kernelName: "AvgPoolGrad",
  translate({ dy, input }, attrs) {
    const params = poolOf(attrs);
    if (typeof params === "string") return params;
    const { vertical, horizontal } = poolGeometry("avg-pool-grad", input.shape, params);
    const cells = vertical.before + vertical.after + horizontal.before + horizontal.after;
    if (cells > 0) return "windows that reach over the image's border";
    return {
      op: avgPoolGrad,
      params: { ...params, inputShape: input.shape },
      operands: whole(dy),
      resultShape: input.shape,
    };
  },
};

export const poolRules: readonly AnyKernelRule[] = [maximum, average, maximumGradient, averageGradient];
