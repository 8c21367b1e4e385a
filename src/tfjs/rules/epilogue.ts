// What tf.js's fused kernels do with their sums before they store them: a bias, an activation.

import type { FusedConv2DAttrs, TensorInfo } from "@tensorflow/tfjs-core";
import type { Activation } from "../../kernels/ops/elementwise.ts";
import type { Tensors, Unsupported } from "../kernel-rule.ts";

export interface Epilogue {
  /** None, or one vector with an element for each column of the result. */
  readonly bias: readonly TensorInfo[];
  readonly activation: Activation;
}

const ACTIVATIONS: { readonly [name in FusedConv2DAttrs["activation"]]?: Activation } = {
  linear: "none",
  relu: "relu",
};

export function epilogueOf(
  { bias }: Tensors<never, "bias">,
  { activation }: { readonly activation: FusedConv2DAttrs["activation"] },
): Epilogue | Unsupported {
  const ours = ACTIVATIONS[activation];
  if (ours === undefined) return `activation "${activation}"`;
  if (bias && bias.shape.length !== 1) return `a bias of shape [${bias.shape.join(", ")}]`;
  return { bias: bias ? [bias] : [], activation: ours };
}
