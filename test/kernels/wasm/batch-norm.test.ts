// How well batch norm's statistics hold when the mean is far larger than the deviation.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ops } from "../../../src/kernels/ops/index.ts";
import { referenceKernels } from "../../../src/kernels/reference/index.ts";
import { elementCount, f32 } from "../../../src/kernels/tensor.ts";
import { wasmKernels } from "../../../src/kernels/wasm/kernels.ts";
import { RandomStream } from "../../../src/random.ts";
import { runKernel } from "./run-kernel.ts";

const kernel = wasmKernels.find(({ op }) => op === ops["batch-norm"])!;
const params = { epsilon: 1e-3, activation: "none" } as const;

function statistics(
  rows: number,
  columns: number,
  value: (row: number, normal: number, column: number) => number,
) {
  const random = new RandomStream(1, "large mean");
  const x = Float32Array.from({ length: rows * columns }, (_, i) =>
    value(Math.floor(i / columns), random.nextNormal(), i % columns),
  );
  const inputs = [f32(rows, columns), f32(columns), f32(columns)];
  const call = { inputs, outputs: ops["batch-norm"].infer(inputs, params), params };
  const operands = [x, new Float32Array(columns).fill(1), new Float32Array(columns)];
  const got = runKernel(kernel, call, operands);
  const want = call.outputs.map((type) => new Float64Array(elementCount(type)));
  referenceKernels["batch-norm"].run(
    call,
    operands.map((operand) => Float64Array.from(operand)),
    want,
  );
  return { got, want };
}

function largestRelativeError(got: Float32Array, want: Float64Array): number {
  return want.reduce((worst, value, i) => Math.max(worst, Math.abs(got[i]! - value) / Math.abs(value)), 0);
}

for (const mean of [0, 1e2, 1e4])
  test(`a variance of 1 around a mean of ${mean} has a relative error below 1e-6`, () => {
    const { got, want } = statistics(5_000, 6, (_, normal) => mean + normal);
    assert.ok(largestRelativeError(got[2]!, want[2]!) < 1e-6);
    assert.ok(largestRelativeError(got[3]!, want[3]!) < 1e-6);
  });

test("a first row 30 deviations away costs no more than one digit of the variance", () => {
  const { got, want } = statistics(5_000, 6, (row, normal) => (row === 0 ? 130 : 100 + normal));
  assert.ok(largestRelativeError(got[2]!, want[2]!) < 1e-5);
});

test("a constant column has the variance 0 and normalises to beta", () => {
  const { got } = statistics(5_000, 6, () => 1e6 / 3);
  assert.deepEqual([...new Set(got[2])], [0]);
  assert.deepEqual([...new Set(got[0])], [0]);
});

test("a NaN anywhere in a column makes all of the column's results NaN, and no other column's", () => {
  const poisoned = 2;
  const { got } = statistics(3_000, 6, (row, normal, column) =>
    row === 2_500 && column === poisoned ? NaN : normal,
  );
  for (const output of got)
    assert.ok(output.every((value, i) => Number.isNaN(value) === (i % 6 === poisoned)));
});
