// What holds for the list of kernels as a whole, and for ops whose outputs lie on their inputs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ops, type OpName } from "../../../src/kernels/ops/index.ts";
import type { AnyOp } from "../../../src/kernels/op.ts";
import { f32, i32 } from "../../../src/kernels/tensor.ts";
import { chooseWasmKernel } from "../../../src/kernels/wasm/choose.ts";
import { wasmKernels } from "../../../src/kernels/wasm/kernels.ts";
import { kernelsOf } from "./against-reference.ts";
import { allCases, operandsOf } from "../cases.ts";
import { bitsOf } from "../expected.ts";
import { runKernel } from "./run-kernel.ts";

test("every op that computes has a kernel for every target, and cases that test it", () => {
  for (const [name, op] of Object.entries(ops) as [OpName, AnyOp][]) {
    if (op.view) continue;
    const ofOp = allCases.filter((one) => one.op === name);
    assert.ok(ofOp.length > 0, `${name} has no case`);
    for (const { call, label } of ofOp)
      for (const wide of [false, true])
        assert.ok(chooseWasmKernel(op, call, { relaxedSimd: true, wide }), `no kernel for ${label}`);
  }
});

test("kernel names are unique", () => {
  const names = wasmKernels.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
});

test("ops that may run in place give equal bits on their own input", () => {
  for (const one of allCases) {
    const op: AnyOp = ops[one.op];
    const operands = operandsOf(one);
    const [kernel] = kernelsOf(one.op);
    if (kernel === undefined) continue;
    for (const alias of op.inPlace ?? [])
      assert.deepEqual(
        bitsOf(runKernel(kernel, one.call, operands, { aliases: [alias], slices: 2 })).slice(0, 1),
        bitsOf(runKernel(kernel, one.call, operands)).slice(0, 1),
        `${one.label} on input ${alias}`,
      );
  }
});

test("optimiser steps run with all their state in place", () => {
  for (const [name, aliases] of [
    ["momentum-update", [0, 2]],
    ["adam-update", [0, 2, 3]],
    ["adagrad-update", [0, 2]],
    ["lars-update", [0, 2]],
  ] as const)
    for (const one of allCases.filter(({ op }) => op === name)) {
      const operands = operandsOf(one);
      const [kernel] = kernelsOf(name);
      const apart = bitsOf(runKernel(kernel!, one.call, operands));
      assert.deepEqual(
        bitsOf(runKernel(kernel!, one.call, operands, { aliases, slices: 3 })),
        apart,
        one.label,
      );
    }
});

test("an embedding's row is NaN where the id lies outside the table", () => {
  const [kernel] = kernelsOf("embedding");
  const inputs = [i32(3), f32(2, 5)];
  const call = { inputs, outputs: ops.embedding.infer(inputs, {}), params: {} };
  const table = Float32Array.from({ length: 10 }, (_, i) => i);
  const [y] = runKernel(kernel!, call, [Int32Array.of(2, 1, -1), table]);
  assert.ok(y!.every((value, i) => (i >= 5 && i < 10 ? value === i : Number.isNaN(value))));
});
