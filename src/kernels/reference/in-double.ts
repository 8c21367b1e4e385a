// Sums of reference kernels are taken in float64 and rounded once, whatever the output's precision.

import type { TensorData } from "../tensor.ts";

/** Calls `accumulate` with as many zeros as `out` has elements, and stores what it made of them. */
export function inDouble(out: TensorData, accumulate: (sums: Float64Array) => void): void {
  const sums = new Float64Array(out.length);
  accumulate(sums);
  out.set(sums);
}
