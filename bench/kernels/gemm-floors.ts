// Regression check of the matrix products: `node bench/kernels/gemm-floors.ts` fails if one falls below its floor, a
// share of what a plain loop of multiply-adds reaches in the same run. It is no test: it needs a quiet machine.

import { openWasmTestbed } from "../testbeds/wasm.ts";
import { flopsOf, kernelCases } from "./cases.ts";
import { measureKernel, thorough } from "./measure.ts";
import { peakGflops } from "./roofline.ts";

/** By operand shapes: nine tenths of what was measured on an AMD Zen 5 with revectorisation. */
const FLOORS: Readonly<Record<string, number>> = {
  "512x512 512x512": 0.84,
  "1024x1024 1024x1024": 0.8,
  "128x784 784x512 512": 0.81,
  "128x784 128x512": 0.81,
  "128x784 784x10 10": 0.65,
  "128x784 128x10": 0.75,
  "128x100 100x100 100": 0.78,
};

const testbed = await openWasmTestbed();
const best = peakGflops(await testbed.measurePeak());
for (const kernelCase of kernelCases({ batchSize: 128, quick: false })) {
  const floor = FLOORS[kernelCase.shape];
  if (floor === undefined || !["dense", "matmul"].includes(kernelCase.op.name)) continue;
  const { minMs, kernel } = await measureKernel(testbed, kernelCase, thorough);
  const share = flopsOf(kernelCase) / minMs / 1e6 / best;
  const fell = share < floor;
  console.log(`${fell ? "below" : "ok   "} ${share.toFixed(2)} >= ${floor} ${kernel} ${kernelCase.shape}`);
  if (fell) process.exitCode = 1;
}
