import assert from "node:assert/strict";
import { test } from "node:test";
import { benchKernels } from "../../bench/kernels/bench-kernels.ts";
import { formatPeak } from "../../bench/machine.ts";
import { SltrainError } from "../../src/errors.ts";
import { kernelCases, type KernelCase } from "../../bench/kernels/cases.ts";
import { largestError } from "../../bench/kernels/check.ts";
import { operandsOf } from "../../bench/kernels/operands.ts";
import { openTestbed } from "../../bench/testbeds/open.ts";
import { limitOf } from "../../bench/kernels/roofline.ts";
import type { ReferenceKernel } from "../../src/kernels/kernel.ts";
import type { AnyOp } from "../../src/kernels/op.ts";
import { ops, type OpName, type ParamsOf } from "../../src/kernels/ops/index.ts";
import { referenceKernels } from "../../src/kernels/reference/index.ts";
import { wasmKernels } from "../../src/kernels/wasm/kernels.ts";
import { elementCount, f32, type TensorType } from "../../src/kernels/tensor.ts";

function caseOf<N extends OpName>(name: N, inputs: readonly TensorType[], params: ParamsOf<N>): KernelCase {
  const op: AnyOp = ops[name];
  const call = { inputs, outputs: op.infer(inputs, params), params };
  return { op, call, direction: "forward", shape: "", models: [] };
}

/** Too large to be checked in full. */
const LARGE: readonly KernelCase[] = [
  caseOf("matmul", [f32(90, 401), f32(300, 401)], { transposeA: false, transposeB: true }),
  caseOf("dense", [f32(90, 401), f32(401, 300), f32(300)], { activation: "none" }),
  caseOf("conv2d", [f32(3, 20, 20, 17), f32(3, 3, 17, 60), f32(60)], {
    strides: [1, 1],
    padding: "same",
    activation: "relu",
  }),
  caseOf("conv2d-input-grad", [f32(3, 20, 20, 60), f32(3, 3, 17, 60)], {
    strides: [1, 1],
    padding: "same",
    inputShape: [3, 20, 20, 17],
  }),
  caseOf("conv2d-filter-grad", [f32(3, 20, 20, 17), f32(3, 20, 20, 60)], {
    strides: [1, 1],
    padding: "same",
    filterShape: [3, 3, 17, 60],
  }),
];

for (const kernelCase of LARGE)
  test(`the check of a large ${kernelCase.op.name} passes what is right and sees a wrong last element`, () => {
    const { op, call } = kernelCase;
    const inputs = operandsOf(kernelCase);
    const output = new Float32Array(elementCount(call.outputs[0]!));
    const kernels: Readonly<Partial<Record<string, ReferenceKernel>>> = referenceKernels;
    kernels[op.name]!.run(call, inputs, [output]);
    assert.ok(largestError(kernelCase, inputs, [output]) < 1e-6);
    output[output.length - 1]! += 10;
    assert.ok(largestError(kernelCase, inputs, [output]) > 0.01);
  });

const quickOnWasm = { quick: true, tfjs: false, open: () => openTestbed({ device: "wasm" }) };

test("a row tells its speed, its limit and that tf.js was not asked", async () => {
  const { rows, peak } = await benchKernels({
    ...{ op: "softmax-cross-entropy-with-grad", filter: "lenet5", ...quickOnWasm },
  });
  const row = rows[0]!;
  assert.equal(rows.length, 1);
  assert.equal(row.correct, true);
  assert.ok(row.medianMs > 0 && row.limitMs > 0 && row.spread >= 0);
  assert.ok(Math.abs(row.limitFraction - row.limitMs / row.medianMs) < 1e-9);
  assert.equal(row.vsTfjs, null);
  assert.ok(peak.memoryGBs > 0);
});

test("an op that nothing needs is refused with the one that was probably meant", async () => {
  const refusal = async (op: string): Promise<SltrainError> => {
    const refused: unknown = await benchKernels({ op, ...quickOnWasm }).then(
      () => assert.fail("it was benched"),
      (error: unknown) => error,
    );
    assert.ok(refused instanceof SltrainError, String(refused));
    return refused;
  };
  const near = await refusal("con2d");
  assert.match(near.message, /none for op con2d/);
  assert.deepEqual(near.suggestions, ["Did you mean conv2d?"]);
  assert.match((await refusal("attention")).suggestions.join(), /^Leave out --op/);
});

test("the peak of 256-bit operations is told only where V8 joins any", () => {
  const peak = { fma128Gflops: 50, memoryGBs: 20, bandwidths: [] };
  assert.match(
    formatPeak({ ...peak, fma256Gflops: 100 }),
    /50\.0 GFLOP\/s in 128-bit FMA, 100\.0 in 256-bit/,
  );
  assert.doesNotMatch(formatPeak({ ...peak, fma256Gflops: 51 }), /256-bit/);
});

test("every op that has a kernel is benched", () => {
  const benched = new Set(kernelCases({ quick: false }).map(({ op }) => op));
  const missing = wasmKernels.filter(({ op }) => !benched.has(op)).map(({ name }) => name);
  assert.deepEqual(missing, [], "list a shape in bench/shapes/op-shapes.ts");
});

test("a case is benched once, with all models that need it", () => {
  const cases = kernelCases({ batchSize: 32, quick: false });
  const shared = cases.filter(
    ({ op, shape }) => op.name === "softmax-cross-entropy-with-grad" && shape === "32x10 32",
  );
  assert.equal(shared.length, 1);
  assert.ok(["lr", "mlp", "lenet5"].every((model) => shared[0]!.models.includes(model)));
});

test("the limit is the slower of arithmetic and the bandwidth of the cache that holds the operands", () => {
  const bandwidths = [
    { workingSetBytes: 1e4, gbPerS: 100 },
    { workingSetBytes: 1e8, gbPerS: 20 },
  ];
  const peak = { fma128Gflops: 50, fma256Gflops: 100, memoryGBs: 20, bandwidths };
  assert.deepEqual(limitOf(1e9, 1e4, peak), { limitMs: 10, bound: "compute" });
  assert.deepEqual(limitOf(1, 1e4, peak), { limitMs: 1e-4, bound: "memory" });
  assert.deepEqual(limitOf(1, 1e9, peak), { limitMs: 50, bound: "memory" });
});
