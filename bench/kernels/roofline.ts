// The roofline: how fast a kernel can be at most on this machine, by its arithmetic and by its memory traffic
// (S. Williams, A. Waterman, D. Patterson, "Roofline", 2009).

import type { Bandwidth, Peak as WasmPeak } from "../../src/device/wasm/peak.ts";

/** Of a GPU, by a plain kernel of multiply-adds and by plain copies (testbeds/webgpu-peak.ts). */
export interface GpuPeak {
  readonly fmaGflops: number;
  /** Bytes read and written by a copy of vectors far beyond the caches. */
  readonly memoryGBs: number;
  /** The same for smaller working sets too; ascending. */
  readonly bandwidths: readonly Bandwidth[];
}

/** What a device can do at most, measured in the same run. */
export type Peak = WasmPeak | GpuPeak;

export interface Limit {
  /** No kernel that does all the arithmetic and moves every operand once is faster. */
  readonly limitMs: number;
  readonly bound: "compute" | "memory";
}

/** On a processor the faster of the two measured FMA peaks. */
export function peakGflops(peak: Peak): number {
  return "fmaGflops" in peak ? peak.fmaGflops : Math.max(peak.fma128Gflops, peak.fma256Gflops);
}

/** The best of two measurements: other work on the machine may have slowed either. */
export function bestOf<P extends Peak>(a: P, b: P): P {
  const bandwidths = a.bandwidths.map(({ workingSetBytes, gbPerS }, i) => ({
    workingSetBytes,
    gbPerS: Math.max(gbPerS, b.bandwidths[i]!.gbPerS),
  }));
  const rates: Record<string, number> = {};
  for (const [name, rate] of Object.entries(a) as [keyof P & string, unknown][])
    if (typeof rate === "number") rates[name] = Math.max(rate, b[name] as number);
  return { ...a, ...rates, bandwidths };
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
