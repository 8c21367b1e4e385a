// Holds what a kernel of any device has computed to the reference, run in double precision.

import assert from "node:assert/strict";
import type { Operand } from "../../bench/kernels/fitting-operands.ts";
import type { ReferenceKernel } from "../../src/kernels/kernel.ts";
import type { OpName } from "../../src/kernels/ops/index.ts";
import { referenceKernels } from "../../src/kernels/reference/index.ts";
import { elementCount } from "../../src/kernels/tensor.ts";
import type { Case } from "./cases.ts";

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

/** Integers must be equal; floats may be off by `tolerance` times the scale. `kernel` is for messages. */
export function assertClose(
  kernel: string,
  { call, label }: Case,
  got: readonly Float32Array[],
  want: readonly Expected[],
  tolerance: number,
): void {
  got.forEach((floats, o) => {
    const { values, scale } = want[o]!;
    if (call.outputs[o]!.dtype === "i32") {
      assert.deepEqual(bitsOf([floats])[0], Int32Array.from(values), `${kernel}, ${label}: output ${o}`);
      return;
    }
    floats.forEach((value, i) => {
      const error = Math.abs(value - values[i]!) / scale;
      const message = `${kernel}, ${label}: output ${o}[${i}] = ${value} but expected ${values[i]}`;
      assert.ok(error <= tolerance, message);
    });
  });
}

/** The bits of floats, to compare them exactly. */
export function bitsOf(outputs: readonly Float32Array[]): readonly Int32Array[] {
  return outputs.map((output) => new Int32Array(output.buffer, output.byteOffset, output.length));
}
