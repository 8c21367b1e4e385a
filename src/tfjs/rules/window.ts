// The windows of tf.js's convolutions and pools: strides, dilations and padding as their attributes say them.

import type { backend_util } from "@tensorflow/tfjs-core";
import type { ConvWindow } from "../../kernels/ops/conv2d.ts";
import type { Unsupported } from "../kernel-rule.ts";

type Pair = readonly [number, number];

export interface WindowAttrs {
  readonly strides: Pair | number;
  readonly pad: "same" | "valid" | number | backend_util.ExplicitPadding;
  readonly dilations?: Pair | number;
  readonly dataFormat?: "NHWC" | "NCHW";
  readonly dimRoundingMode?: "floor" | "round" | "ceil";
}

export function pairOf(value: Pair | number): Pair {
  return typeof value === "number" ? [value, value] : value;
}

/** Padding by numbers has a meaning here only where it is none. */
export function windowOf(attrs: WindowAttrs): Required<ConvWindow> | Unsupported {
  const { strides, pad, dilations, dataFormat, dimRoundingMode } = attrs;
  if (dataFormat === "NCHW") return 'dataFormat "NCHW"';
  const padding = pad === 0 && (dimRoundingMode ?? "floor") === "floor" ? "valid" : pad;
  if (padding !== "same" && padding !== "valid") return `padding ${JSON.stringify(pad)}`;
  return { strides: pairOf(strides), padding, dilations: pairOf(dilations ?? 1) };
}
