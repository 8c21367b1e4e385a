// What holds for the list of kernels as a whole, for ops whose outputs lie on their inputs, and for numbers that are none.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { WebGpuDevice } from "../../../src/device/webgpu/webgpu-device.ts";
import { ops, type OpName } from "../../../src/kernels/ops/index.ts";
import type { AnyOp } from "../../../src/kernels/op.ts";
import { f32, i32 } from "../../../src/kernels/tensor.ts";
import { chooseWebGpuKernel } from "../../../src/kernels/webgpu/choose.ts";
import type { WebGpuTarget } from "../../../src/kernels/webgpu/kernel.ts";
import { webgpuKernels } from "../../../src/kernels/webgpu/kernels.ts";
import { createTestGpu, needsGpu } from "../../support/gpu.ts";
import { allCases, operandsOf } from "../cases.ts";
import { bitsOf } from "../expected.ts";
import { runOp } from "./run-calls.ts";

let device: WebGpuDevice | undefined;
before(async () => {
  if (needsGpu.skip === false) device = await createTestGpu();
});
after(() => device?.destroy());

/** What any adapter has, and what a large one has. */
const TARGETS: readonly WebGpuTarget[] = [
  {
    subgroupSize: undefined,
    shaderF16: false,
    workgroupBytes: 16_384,
    workgroupInvocations: 256,
    storageBuffers: 8,
  },
  {
    subgroupSize: 32,
    shaderF16: true,
    workgroupBytes: 49_152,
    workgroupInvocations: 1024,
    storageBuffers: 16,
  },
];

test("every op that runs a kernel has one on webgpu, for every target", () => {
  for (const [name, op] of Object.entries(ops) as [OpName, AnyOp][]) {
    if (op.view) continue;
    for (const { call, label } of allCases.filter((one) => one.op === name))
      for (const target of TARGETS) assert.ok(chooseWebGpuKernel(op, call, target), `no kernel for ${label}`);
  }
});

test("kernel names are unique", () => {
  const names = webgpuKernels.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
});

test("kernels dispatch no more workgroups than WebGPU allows, however long the vectors", () => {
  const long = f32(40_000_001);
  for (const [op, inputs, params] of [
    ["add", [long, long], {}],
    ["sum-of-squares", [long], {}],
    ["softmax", [f32(2_000_001, 10)], {}],
    ["column-sum", [f32(100_000, 301)], {}],
    ["embedding-grad", [i32(8), f32(8, 600)], { vocabulary: 70_000 }],
  ] as const) {
    const call = { inputs, outputs: (ops[op] as AnyOp).infer(inputs, params), params };
    for (const target of TARGETS)
      for (const { workgroups } of chooseWebGpuKernel(ops[op], call, target)!.build(call, target).passes)
        assert.ok(Math.max(...workgroups) <= 65_535, `${op}: ${workgroups.join()}`);
  }
});

for (const [op, onInputs] of [
  ["momentum-update", [0, 2]],
  ["adam-update", [0, 2, 3]],
  ["adagrad-update", [0, 2]],
  ["lars-update", [0, 2]],
] as const)
  test(`${op} runs with all its state in place`, needsGpu, async () => {
    const one = allCases.findLast((each) => each.op === op)!;
    const operands = operandsOf(one);
    const run = async (where?: readonly number[]) => {
      const outputs = await runOp(device!, op, one.call.inputs, operands, one.call.params, where);
      return bitsOf(outputs as readonly Float32Array[]);
    };
    assert.deepEqual(await run(onInputs), await run());
  });

test("an embedding's row is NaN where the id lies outside the table", needsGpu, async () => {
  const table = Float32Array.from({ length: 10 }, (_, i) => i);
  for (const columns of [5, 2, 1]) {
    const rows = table.length / columns;
    const ids = Int32Array.of(rows, 1, -1);
    const [y] = await runOp(device!, "embedding", [i32(3), f32(rows, columns)], [ids, table]);
    y!.forEach((value, i) => {
      if (Math.floor(i / columns) === 1) assert.equal(value, i);
      else assert.ok(Number.isNaN(value), `[${i}] = ${value}`);
    });
  }
});

test("a label that is no class makes the loss NaN", needsGpu, async () => {
  for (const [rows, classes] of [
    [3, 10],
    [3, 8],
    [1000, 300],
  ] as const)
    for (const bad of [-1, classes]) {
      const labels = new Int32Array(rows);
      labels[1] = bad;
      const operands = [new Float32Array(rows * classes).fill(0.5), labels];
      const inputs = [f32(rows, classes), i32(rows)];
      for (const op of ["softmax-cross-entropy", "softmax-cross-entropy-with-grad"] as const) {
        const [loss, correct] = await runOp(device!, op, inputs, operands);
        assert.ok(Number.isNaN(loss![0]), `${op} of label ${bad}: ${loss![0]}`);
        assert.equal(correct![0], rows - 1);
      }
    }
});

test("a NaN among the numbers shows in activations and losses", needsGpu, async () => {
  const x = Float32Array.of(1, NaN, -1, 0, 2);
  for (const op of ["relu", "relu6", "tanh", "sigmoid", "silu", "gelu"] as const) {
    const [y] = await runOp(device!, op, [f32(5)], [x]);
    assert.deepEqual(
      Array.from(y!, (value) => Number.isNaN(value)),
      [false, true, false, false, false],
      op,
    );
  }
  const zeros = new Float32Array(5);
  for (const op of ["sigmoid-cross-entropy", "mean-squared-error", "hinge", "squared-hinge"] as const) {
    const [loss] = await runOp(device!, op, [f32(1, 5), f32(1, 5)], [x, zeros]);
    assert.ok(Number.isNaN(loss![0]), `${op}: ${loss![0]}`);
  }
  const [loss] = await runOp(device!, "softmax-cross-entropy", [f32(1, 5), i32(1)], [x, Int32Array.of(0)]);
  assert.ok(Number.isNaN(loss![0]), `softmax-cross-entropy: ${loss![0]}`);
});
