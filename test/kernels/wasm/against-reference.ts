// What the tests of the WASM kernels ask of the list of kernels, and how exact they hold them to be.

import type { KernelCall } from "../../../src/kernels/kernel.ts";
import { ops, type OpName } from "../../../src/kernels/ops/index.ts";
import type { WasmKernel } from "../../../src/kernels/wasm/kernel.ts";
import { wasmKernels } from "../../../src/kernels/wasm/kernels.ts";
import type { Case } from "../cases.ts";
import * as reference from "../expected.ts";

/** Largest error, relative to `Expected.scale`, of kernels that state no bound. */
const TOLERANCE = 2e-6;
/** What src/kernels/wasm/winograd/winograd-conv2d.ts states for its larger tiles. */
const TOLERANCE_OF_4X4 = 4e-6;

export function kernelsOf(op: OpName): readonly WasmKernel[] {
  return wasmKernels.filter((kernel) => kernel.op === ops[op]);
}

export function acceptsAnywhere(kernel: WasmKernel, call: KernelCall): boolean {
  return [false, true].some((wide) => kernel.accepts(call, { relaxedSimd: true, wide }));
}

/** Kernels that differ in nothing but their tile give equal bits: `f32-matmul` of `f32-matmul-6x16-wasm`. */
export function familyOf({ name }: WasmKernel): string {
  return name.replace(/(-\d+x\d+)?-wasm$/, "");
}

export function assertClose(
  { name }: WasmKernel,
  one: Case,
  got: readonly Float32Array[],
  want: readonly reference.Expected[],
): void {
  const tolerance = name.includes("winograd-4x4") ? TOLERANCE_OF_4X4 : TOLERANCE;
  reference.assertClose(name, one, got, want, tolerance);
}
