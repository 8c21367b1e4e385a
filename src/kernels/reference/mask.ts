// The operand `mask` of the ops that take one.

import type { TensorData } from "../tensor.ts";

/** Zeroes what the mask does not let through. */
export function applyMask(output: TensorData, mask: TensorData | undefined): void {
  mask?.forEach((value, i) => {
    if (!(value > 0)) output[i] = 0;
  });
}
