// What a run must have of the values that PyTorch made.

import assert from "node:assert/strict";
import { sampleIndex, type GoldenRun, type GoldenTensor, type GoldenValues } from "./golden-case.ts";

/** The run's losses, its evaluation, and its first step's gradients and statistics. */
export function expectGolden(run: GoldenRun, golden: GoldenValues, steps: number): void {
  assert.equal(run.losses.length, steps);
  for (const [step, loss] of run.losses.entries()) {
    const expected = golden.losses[step]!;
    expectClose(loss, expected, 1e-4 * expected, `loss of step ${step}`);
  }
  expectClose(run.evaluationLoss, golden.evaluationLoss, 1e-4 * golden.evaluationLoss, "evaluated loss");
  for (const kind of ["gradients", "statistics"] as const) {
    assert.deepEqual([...run[kind].keys()], Object.keys(golden[kind]));
    for (const [tensor, expected] of Object.entries(golden[kind])) {
      expectTensor(run[kind].get(tensor)!, expected, `${tensor} in the ${kind}`);
    }
  }
}

function expectTensor(tensor: Float32Array, golden: GoldenTensor, what: string): void {
  assert.equal(tensor.length, golden.length, `length of the ${what}`);
  const count = golden.samples.length;
  for (const [index, expected] of golden.samples.entries()) {
    const at = sampleIndex(index, count, golden.length);
    expectClose(tensor[at]!, expected, 1e-3 * golden.max, `${what}[${at}]`);
  }
  let [sum, squares, max] = [0, 0, 0];
  for (const element of tensor) {
    sum += element;
    squares += element * element;
    max = Math.max(max, Math.abs(element));
  }
  expectClose(Math.sqrt(squares), golden.norm, 1e-3 * golden.norm, `norm of the ${what}`);
  expectClose(max, golden.max, 1e-3 * golden.max, `largest element of the ${what}`);
  // The elements' errors add up like their magnitudes do at worst.
  expectClose(sum, golden.sum, 1e-3 * golden.norm, `sum of the ${what}`);
}

function expectClose(actual: number, expected: number, tolerance: number, what: string): void {
  assert.ok(
    Math.abs(actual - expected) <= tolerance,
    `${what}: expected ${expected} ± ${tolerance}, got ${actual}`,
  );
}
