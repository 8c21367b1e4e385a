// The affine map of a normalisation and its activation as WGSL text, the same forward and backward: what the one cuts off,
// the other must not let through.

import type { Activation } from "../../ops/elementwise.ts";

/** Expression: z gamma + beta with z = (x - mean) rstd. */
export const BEFORE_ACTIVATION = "fma((x - mean) * rstd, gamma, beta)";

export function activated(value: string, type: string, activation: Activation): string {
  return activation === "relu" ? `max(${value}, ${type}())` : value;
}
