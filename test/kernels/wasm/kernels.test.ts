import assert from "node:assert/strict";
import { test } from "node:test";
import { ops, type OpName } from "../../../src/kernels/ops/index.ts";
import type { AnyOp } from "../../../src/kernels/op.ts";
import { f32, i32 } from "../../../src/kernels/tensor.ts";
import { chooseWasmKernel } from "../../../src/kernels/wasm/choose.ts";
import { wasmKernels } from "../../../src/kernels/wasm/kernels.ts";
import { acceptsAnywhere, assertClose, expected, familyOf, kernelsOf } from "./against-reference.ts";
import { allCases, operandsOf } from "./cases.ts";
import { bitsOf, runKernel } from "./run-kernel.ts";

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

for (const name of Object.keys(ops) as OpName[]) {
  const cases = allCases.filter(({ op }) => op === name);
  for (const kernel of kernelsOf(name))
    test(`${kernel.name} agrees with the reference in double precision and writes nothing but its outputs`, () => {
      for (const one of cases.filter(({ call }) => acceptsAnywhere(kernel, call))) {
        const operands = operandsOf(one);
        assertClose(one, runKernel(kernel, one.call, operands), expected(one, operands));
      }
    });

  test(`${name} gives equal bits for every kernel of a family and however it is sliced`, () => {
    for (const one of cases) {
      const operands = operandsOf(one);
      const bitsOfFamily = new Map<string, readonly Int32Array[]>();
      for (const kernel of kernelsOf(name).filter((kernel) => acceptsAnywhere(kernel, one.call)))
        for (const slices of [1, 2, 5]) {
          const bits = bitsOf(runKernel(kernel, one.call, operands, { slices }));
          const family = familyOf(kernel);
          const label = `${kernel.name} ${one.label} in ${slices} slices`;
          assert.deepEqual(bits, bitsOfFamily.get(family) ?? bits, label);
          bitsOfFamily.set(family, bits);
        }
    }
  });
}

test("matrix products without fused multiply-add agree with the reference too", () => {
  for (const one of allCases.filter(({ op }) => op === "matmul"))
    for (const kernel of kernelsOf("matmul")) {
      const operands = operandsOf(one);
      const outputs = runKernel(kernel, one.call, operands, { relaxedSimd: false });
      assertClose(one, outputs, expected(one, operands));
    }
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
