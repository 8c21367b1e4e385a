// Holds what a WASM kernel has computed to the reference, run in double precision.

import assert from "node:assert/strict";
import type { KernelCall, ReferenceKernel } from "../../../src/kernels/kernel.ts";
import { ops, type OpName } from "../../../src/kernels/ops/index.ts";
import { referenceKernels } from "../../../src/kernels/reference/index.ts";
import { elementCount } from "../../../src/kernels/tensor.ts";
import type { WasmKernel } from "../../../src/kernels/wasm/kernel.ts";
import { wasmKernels } from "../../../src/kernels/wasm/kernels.ts";
import type { Case } from "./cases.ts";
import { bitsOf } from "./run-kernel.ts";

/** Largest error, relative to the output's largest element (at least 1). */
const TOLERANCE = 2e-6;

/** The outputs in double precision. */
export function expected(
  { op, call }: Case,
  operands: readonly (Float32Array | Int32Array)[],
): readonly Float64Array[] {
  const outputs = call.outputs.map((type) => new Float64Array(elementCount(type)));
  const reference = referenceKernels[op as Exclude<OpName, "reshape">] as ReferenceKernel;
  const inputs = operands.map((data) => (data instanceof Float32Array ? Float64Array.from(data) : data));
  reference.run(call, inputs, outputs);
  return outputs;
}

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
  { call, label }: Case,
  got: readonly Float32Array[],
  want: readonly Float64Array[],
): void {
  got.forEach((floats, o) => {
    if (call.outputs[o]!.dtype === "i32") {
      assert.deepEqual(bitsOf([floats])[0], Int32Array.from(want[o]!), `${label}: output ${o}`);
      return;
    }
    const scale = want[o]!.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1);
    floats.forEach((value, i) => {
      const error = Math.abs(value - want[o]![i]!) / scale;
      assert.ok(error <= TOLERANCE, `${label}: output ${o}[${i}] = ${value} but expected ${want[o]![i]}`);
    });
  });
}
