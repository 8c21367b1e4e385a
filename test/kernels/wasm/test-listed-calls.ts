// The kernels of a family over the calls of cases.ts: shapes with tails of all kinds.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bitsOf, expected } from "../expected.ts";
import { acceptsAnywhere, assertClose, familyOf, kernelsOf } from "./against-reference.ts";
import { allCases, operandsOf } from "../cases.ts";
import { randomCalls, type ComputingOp, type Family } from "../random-calls.ts";
import { runKernel } from "./run-kernel.ts";

export function testListedCalls(family: Family): void {
  for (const name of Object.keys(randomCalls[family]) as ComputingOp[]) {
    const cases = allCases.filter(({ op }) => op === name);
    for (const kernel of kernelsOf(name))
      test(`${kernel.name} agrees with the reference in double precision and writes nothing but its outputs`, () => {
        for (const one of cases.filter(({ call }) => acceptsAnywhere(kernel, call))) {
          const operands = operandsOf(one);
          assertClose(kernel, one, runKernel(kernel, one.call, operands), expected(one, operands));
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
}
