// Holds what a WASM kernel has computed to the reference, run in double precision.

import assert from "node:assert/strict";
import type { KernelCall, ReferenceKernel } from "../../../src/kernels/kernel.ts";
import { ops, type OpName } from "../../../src/kernels/ops/index.ts";
import { referenceKernels } from "../../../src/kernels/reference/index.ts";
import { elementCount } from "../../../src/kernels/tensor.ts";
import type { WasmKernel } from "../../../src/kernels/wasm/kernel.ts";
import { wasmKernels } from "../../../src/kernels/wasm/kernels.ts";
import type { Operand } from "../../../bench/kernels/fitting-operands.ts";
import type { Case } from "./cases.ts";
import { bitsOf } from "./run-kernel.ts";

/** Largest error, relative to `Expected.scale`, of kernels that state no bound. */
const TOLERANCE = 2e-6;
/** What src/kernels/wasm/winograd/winograd-conv2d.ts states for its larger tiles. */
const TOLERANCE_OF_4X4 = 4e-6;
/** Sums over all rows of terms of both signs, which may all but cancel: an error counts in relation to the terms. */
const SIGNED_SUMS = /^(column-sum|batch-norm|layer-norm)/;
/** Operands that are subtracted in those terms, and so add to their magnitude if they are negative. */
const SUBTRACTED: Readonly<Partial<Record<OpName, number>>> = { "batch-norm-grad": 4, "layer-norm-grad": 3 };

/** An output in double precision. */
export interface Expected {
  readonly values: Float64Array;
  /** The largest magnitude, at least 1; of signed sums, of all terms together. */
  readonly scale: number;
}

export function expected({ op, call }: Case, operands: readonly Operand[]): readonly Expected[] {
  const run = (operandOf: (data: Operand, i: number) => Operand): readonly Float64Array[] => {
    const outputs = call.outputs.map((type) => new Float64Array(elementCount(type)));
    const reference = referenceKernels[op as Exclude<OpName, "reshape">] as ReferenceKernel;
    const inputs = operands.map((data, i) =>
      data instanceof Float32Array ? Float64Array.from(operandOf(data, i)) : data,
    );
    reference.run(call, inputs, outputs);
    return outputs;
  };
  const values = run((data) => data);
  const magnitude = (data: Operand, i: number) =>
    data.map((value) => (i === SUBTRACTED[op] ? -Math.abs(value) : Math.abs(value)));
  const magnitudes = SIGNED_SUMS.test(op) ? run(magnitude) : [];
  return values.map((output, o) => ({
    values: output,
    scale: Math.max(1, largest(output), largest(magnitudes[o] ?? [])),
  }));
}

function largest(values: Iterable<number>): number {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
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
  kernel: WasmKernel,
  { call, label }: Case,
  got: readonly Float32Array[],
  want: readonly Expected[],
): void {
  const tolerance = kernel.name.includes("winograd-4x4") ? TOLERANCE_OF_4X4 : TOLERANCE;
  got.forEach((floats, o) => {
    const { values, scale } = want[o]!;
    if (call.outputs[o]!.dtype === "i32") {
      assert.deepEqual(bitsOf([floats])[0], Int32Array.from(values), `${label}: output ${o}`);
      return;
    }
    floats.forEach((value, i) => {
      const error = Math.abs(value - values[i]!) / scale;
      const message = `${kernel.name}, ${label}: output ${o}[${i}] = ${value} but expected ${values[i]}`;
      assert.ok(error <= tolerance, message);
    });
  });
}
