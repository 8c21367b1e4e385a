// What the reference kernels compute, against values by hand and by PyTorch 1.13.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ops, type OpName, type ParamsOf } from "../../../src/kernels/ops/index.ts";
import type { AnyOp, Op } from "../../../src/kernels/op.ts";
import type { ReferenceKernel } from "../../../src/kernels/kernel.ts";
import { referenceKernels } from "../../../src/kernels/reference/index.ts";
import { elementCount, f32, i32, type TensorData, type TensorType } from "../../../src/kernels/tensor.ts";

type Operand = readonly [TensorType, readonly number[]];

/** The outputs of one op, computed in float64. */
function compute<N extends Exclude<OpName, "reshape">>(
  name: N,
  operands: readonly Operand[],
  params: ParamsOf<N>,
): number[][] {
  const op = ops[name] as AnyOp as Op;
  const inputs = operands.map(([type]) => type);
  const outputs = op.infer(inputs, params);
  const data = operands.map(([{ dtype }, values]): TensorData =>
    dtype === "i32" ? Int32Array.from(values) : Float64Array.from(values),
  );
  const results = outputs.map((type) => new Float64Array(elementCount(type)));
  const kernel = referenceKernels[name] as ReferenceKernel;
  kernel.run({ inputs, outputs, params }, data, results);
  return results.map((result) => [...result]);
}

/** 0 1 2 ... modulo `period`, around zero. */
function sawtooth(type: TensorType, period: number): Operand {
  return [type, Array.from({ length: elementCount(type) }, (_, i) => (i % period) - (period - 1) / 2)];
}

function assertClose(actual: readonly number[], expected: readonly number[]): void {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, i) => {
    assert.ok(
      Math.abs(value - expected[i]!) <= 1e-12 * Math.max(1, Math.abs(expected[i]!)),
      `${value} is not ${expected[i]}`,
    );
  });
}

test("conv2d agrees with PyTorch, with both paddings and a stride", () => {
  const operands = [sawtooth(f32(1, 4, 5, 2), 7), sawtooth(f32(3, 3, 2, 2), 5), [f32(2), [1, -1]]] as const;
  // torch.nn.functional.conv2d on F.pad(x, (1, 1, 0, 1)), stride 2
  assertClose(
    compute("conv2d", operands, { strides: [2, 2], padding: "same", activation: "none" })[0]!,
    [0, 15, 22, -1, -5, -8, 9, -9, 2, -7, -8, 8],
  );
  assertClose(
    compute("conv2d", operands, { strides: [1, 1], padding: "valid", activation: "relu" })[0]!,
    [22, 0, 22, 0, 0, 0, 0, 11, 0, 14, 22, 0],
  );
});

test("a pool's padding never wins and never counts", () => {
  const x: Operand = [f32(1, 3, 3, 1), [-1, -2, -3, -4, -5, -6, -7, -8, -9]];
  const params = { poolSize: [2, 2], strides: [2, 2], padding: "same" } as const;
  assertClose(compute("max-pool", [x], params)[0]!, [-1, -3, -7, -9]);
  assertClose(compute("avg-pool", [x], params)[0]!, [-3, -4.5, -7.5, -9]);
});

test("the first maximum of a window gets its gradient, and windows that overlap add up", () => {
  const params = { poolSize: [1, 2], strides: [1, 1], padding: "valid" } as const;
  const x: Operand = [f32(1, 1, 4, 1), [3, 3, 5, 1]];
  const y: Operand = [f32(1, 1, 3, 1), compute("max-pool", [x], params)[0]!];
  const dy: Operand = [f32(1, 1, 3, 1), [1, 10, 100]];
  assertClose(compute("max-pool-grad", [x, y, dy], params)[0]!, [1, 0, 110, 0]);
});

test("softmax is stable for large logits", () => {
  assertClose(
    compute("softmax", [[f32(2, 3), [1, 2, 3, 1000, -1000, 999]]], {})[0]!,
    [0.09003057317038045, 0.2447284710547976, 0.6652409557748218, 0.7310585786300049, 0, 0.26894142136999516],
  );
});

test("softmax cross entropy is PyTorch's sum, and a tie for the maximum goes to the first", () => {
  const logits: Operand = [f32(3, 3), [1, 2, 3, 1000, -1000, 0, 2, 2, -1]];
  const [loss, correct] = compute("softmax-cross-entropy", [logits, [i32(3), [2, 0, 1]]], {});
  assertClose(loss!, [1.125341883111083]);
  assert.deepEqual(correct, [2]);
});

test("softmax cross entropy smooths labels as PyTorch does, and weights losses but not right answers", () => {
  const logits: Operand = [f32(3, 3), [1, 2, 3, 0.5, -1, 0, 2, 2, -1]];
  const labels: Operand = [i32(3), [2, 0, 1]];
  const smooth = { labelSmoothing: 0.1 };
  const [loss] = compute("softmax-cross-entropy", [logits, labels], smooth);
  // torch.nn.functional.cross_entropy(label_smoothing=0.1, reduction="sum") and its gradient
  assertClose(loss!, [1.9961391551144778]);
  const [dLogits] = compute("softmax-cross-entropy-grad", [logits, labels, [f32(1), [1]]], smooth);
  assertClose(dLogits!, [
    ...[0.0566972398370471, 0.21139513772146432, -0.26809237755851156],
    ...[-0.3867839460671537, 0.08861831897639552, 0.29816562709075817],
    ...[0.45452221782703506, -0.44547778217296496, -0.009044435654070124],
  ]);
  const rows = [0, 1, 2].map((row) => {
    const weights: Operand = [f32(3), [0, 0, 0].with(row, 1)];
    return compute("softmax-cross-entropy", [logits, labels, weights], smooth);
  });
  assertClose([rows.reduce((sum, [one]) => sum + one![0]!, 0)], loss!);
  assert.deepEqual(
    rows.map(([, correct]) => correct![0]),
    [2, 2, 2],
  );
});

test("sigmoid cross entropy is PyTorch's sum for logits of any size", () => {
  const logits: Operand = [f32(2, 3), [1.5, -800, 0, 800, -2, 3]];
  const [loss, correct] = compute("sigmoid-cross-entropy", [logits, [f32(2, 3), [1, 0, 1, 0, 0, 1]]], {});
  assertClose(loss!, [801.0700758211594]);
  assert.deepEqual(correct, [4]);
});

test("gelu is the distribution's, not its tanh form, and silu is x sigmoid(x)", () => {
  const x: Operand = [f32(3), [1, -2, 0]];
  assertClose(compute("gelu", [x], {})[0]!, [0.8413447460685429, -0.04550026389635839, 0]);
  assertClose(compute("silu", [x], {})[0]!, [0.7310585786300049, -0.2384058440442351, 0]);
});

test("local response normalisation counts its own channel and those on both sides that exist", () => {
  const x: Operand = [f32(1, 4), [1, 2, 0, -3]];
  const params = { depthRadius: 1, bias: 1, alpha: 2, beta: 0.5 };
  const expected = [1 / Math.sqrt(11), 2 / Math.sqrt(11), 0, -3 / Math.sqrt(19)];
  assertClose(compute("local-response-norm", [x], params)[0]!, expected);
});

test("batch norm's variance is the biased one", () => {
  const operands: readonly Operand[] = [
    [f32(4, 1), [1, 2, 3, 6]],
    [f32(1), [2]],
    [f32(1), [1]],
  ];
  const [y, mean, variance, rstd] = compute("batch-norm", operands, { epsilon: 0.5, activation: "relu" });
  assertClose(mean!, [3]);
  assertClose(variance!, [3.5]);
  assertClose(rstd!, [0.5]);
  assertClose(y!, [0, 0, 1, 4]);
});

test("an id outside the table makes its row NaN and has no gradient", () => {
  const ids: Operand = [i32(3), [1, -1, 2]];
  const table: Operand = [f32(2, 2), [1, 2, 3, 4]];
  assert.deepEqual(compute("embedding", [ids, table], {})[0], [3, 4, NaN, NaN, NaN, NaN]);
  const dy: Operand = [f32(3, 2), [1, 2, 4, 8, 16, 32]];
  assert.deepEqual(compute("embedding-grad", [ids, dy], { vocabulary: 2 })[0], [0, 0, 1, 2]);
});

test("hinge losses take targets of 0 and 1, and cost nothing from a margin of 1 on", () => {
  const scores: Operand = [f32(1, 5), [2, 0.5, -3, 0, -0.25]];
  const targets: Operand = [f32(1, 5), [1, 1, 0, 0, 1]];
  assertClose(compute("hinge", [scores, targets], {})[0]!, [0.5 + 1 + 1.25]);
  assertClose(compute("squared-hinge", [scores, targets], {})[0]!, [0.25 + 1 + 1.5625]);
  assert.deepEqual(compute("hinge", [scores, targets], {})[1], [4]);
  const dLoss: Operand = [f32(1), [1]];
  assertClose(compute("hinge-grad", [scores, targets, dLoss], {})[0]!, [0, -1, 0, 1, -1]);
  assertClose(compute("squared-hinge-grad", [scores, targets, dLoss], {})[0]!, [0, -1, 0, 2, -2.5]);
});

test("mean squared error is a sum over samples of means over outputs", () => {
  const [loss, correct] = compute(
    "mean-squared-error",
    [
      [f32(2, 2), [1, 2, 3, 4]],
      [f32(2, 2), [0, 0, 3, 0]],
    ],
    {},
  );
  assertClose(loss!, [2.5 + 8]);
  assert.deepEqual(correct, [0]);
});

test("a dropout mask does not depend on how the batch is divided among workers", () => {
  const ones = (rows: number): Operand => [f32(rows, 11), Array.from({ length: rows * 11 }, () => 1)];
  const drop = (rows: number, firstSample: number, layer = 1, step = 9) =>
    compute("dropout", [ones(rows), [i32(4), [step, firstSample, 77, 0]]], { rate: 0.3, layer })[0]!;
  const whole = drop(8, 0);
  assert.deepEqual([...drop(3, 0), ...drop(1, 3), ...drop(4, 4)], whole);
  assert.notDeepEqual(drop(8, 0, 2), whole, "layers differ");
  assert.notDeepEqual(drop(8, 0, 1, 10), whole, "steps differ");
});

test("dropout drops its share and keeps the mean", () => {
  const rows = 64;
  const x: Operand = [f32(rows, 128), Array.from({ length: rows * 128 }, () => 2)];
  const y = compute("dropout", [x, [i32(4), [0, 0, 1, 0]]], { rate: 0.25, layer: 0 })[0]!;
  assert.deepEqual([...new Set(y)].sort(), [0, 2 / 0.75]);
  const dropped = y.filter((value) => value === 0).length / y.length;
  assert.ok(Math.abs(dropped - 0.25) < 0.02, `${dropped}`);
});

test("a seed with the highest bit set is the same seed as an i32", () => {
  const x: Operand = [f32(2, 8), Array.from({ length: 16 }, () => 1)];
  const drop = (seed: number) => compute("dropout", [x, [i32(4), [0, 0, seed, 0]]], { rate: 0.5, layer: 0 });
  assert.deepEqual(drop(0xdeadbeef), drop(0xdeadbeef | 0));
});
