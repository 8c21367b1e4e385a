// The roofline: how fast a kernel can be at most on this machine, by its arithmetic and by its memory traffic
// (S. Williams, A. Waterman, D. Patterson, "Roofline", 2009).

import type { Peak } from "../../src/device/wasm/peak.ts";

export interface Limit {
  /** No kernel that does all the arithmetic and moves every operand once is faster. */
  readonly limitMs: number;
  readonly bound: "compute" | "memory";
}

/** The faster of the two measured FMA peaks. */
export function peakGflops({ fma128Gflops, fma256Gflops }: Peak): number {
  return Math.max(fma128Gflops, fma256Gflops);
}

/** The best of two measurements: other work on the machine may have slowed either. */
export function bestOf(a: Peak, b: Peak): Peak {
  const bandwidths = a.bandwidths.map(({ workingSetBytes, gbPerS }, i) => ({
    workingSetBytes,
    gbPerS: Math.max(gbPerS, b.bandwidths[i]!.gbPerS),
  }));
  return {
    fma128Gflops: Math.max(a.fma128Gflops, b.fma128Gflops),
    fma256Gflops: Math.max(a.fma256Gflops, b.fma256Gflops),
    memoryGBs: bandwidths.at(-1)!.gbPerS,
    bandwidths,
  };
}

/** `bytes`: of all operands and results. They lie in the smallest cache that holds them. */
export function limitOf(flops: number, bytes: number, peak: Peak): Limit {
  const computeMs = flops / peakGflops(peak) / 1e6;
  const memoryMs = bytes / bandwidthFor(bytes, peak) / 1e6;
  return computeMs >= memoryMs
    ? { limitMs: computeMs, bound: "compute" }
    : { limitMs: memoryMs, bound: "memory" };
}

function bandwidthFor(bytes: number, { bandwidths, memoryGBs }: Peak): number {
  return bandwidths.find(({ workingSetBytes }) => bytes <= workingSetBytes)?.gbPerS ?? memoryGBs;
}
