// Properties that every kernel has for every call, tested over random ones: it agrees with the reference in double
// precision, writes nothing but its outputs, and gives equal bits within its family, however its phases are sliced, in
// whatever order the slices run and wherever the tensors lie.
//
// SLTRAIN_TEST_SECONDS=600 node --test test/kernels/wasm/random-*.test.ts runs each file that long instead of a
// few seconds; SLTRAIN_TEST_SEED=2 draws other calls. A failure names the op and the call's number.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RandomStream } from "../../../src/random.ts";
import { bitsOf, expected } from "../expected.ts";
import { acceptsAnywhere, assertClose, familyOf, kernelsOf } from "./against-reference.ts";
import { operandsOf } from "../cases.ts";
import { randomCalls, randomCase, type ComputingOp, type Family } from "../random-calls.ts";
import { loadKernel, type Slice } from "./run-kernel.ts";

const SECONDS = Number(process.env["SLTRAIN_TEST_SECONDS"] ?? 2.5);
const SEED = Number(process.env["SLTRAIN_TEST_SEED"] ?? 1);
/** Calls of an op, in the time that there is by default. */
const MOST_CALLS = process.env["SLTRAIN_TEST_SECONDS"] === undefined ? 60 : Infinity;
const MOST_SLICES = 6;

export function testRandomCalls(family: Family): void {
  const names = Object.keys(randomCalls[family]) as ComputingOp[];
  for (const op of names)
    test(`random calls of ${op} agree with the reference, with equal bits however they run`, (t) => {
      const end = performance.now() + (SECONDS * 1000) / names.length;
      let calls = 0;
      for (; calls === 0 || (calls < MOST_CALLS && performance.now() < end); calls++)
        checkCall(op, SEED * 1_000_000 + calls);
      t.diagnostic(`${calls} calls`);
    });
}

function checkCall(op: ComputingOp, number: number): void {
  const drawn = randomCase(op, number);
  const one = { ...drawn, label: `call ${number}: ${drawn.label}` };
  const operands = operandsOf(drawn);
  const want = expected(one, operands);
  const random = new RandomStream(number, "slices");
  const kernels = kernelsOf(op).filter((kernel) => acceptsAnywhere(kernel, one.call));
  assert.ok(kernels.length > 0, `no kernel for ${one.label}`);
  const bitsOfFamily = new Map<string, readonly Int32Array[]>();
  for (const kernel of kernels) {
    const run = loadKernel(kernel, one.call);
    const whole = run(operands);
    assertClose(kernel, one, whole, want);
    const bits = bitsOf(whole);
    const family = familyOf(kernel);
    const label = `${kernel.name}, ${one.label}`;
    assert.deepEqual(bits, bitsOfFamily.get(family) ?? bits, `${label}: as others of its family`);
    bitsOfFamily.set(family, bits);
    const layout = [...random.permutation(operands.length + one.call.outputs.length)];
    const slices = (extent: number, grain: number) => shuffledSlices(random, extent, grain);
    assert.deepEqual(bitsOf(run(operands, { slices, layout })), bits, `${label}: in slices`);
  }
  const kernel = kernels[random.nextInt(kernels.length)]!;
  const unfused = { ...one, label: `without fused multiply-add, ${one.label}` };
  assertClose(kernel, unfused, loadKernel(kernel, one.call, false)(operands), want);
}

function shuffledSlices(random: RandomStream, extent: number, grain: number): readonly Slice[] {
  const grains = Math.ceil(extent / grain);
  const cuts = Array.from({ length: random.nextInt(MOST_SLICES) }, () => random.nextInt(grains + 1) * grain);
  const bounds = [...new Set([0, ...cuts.filter((cut) => cut < extent), extent])].sort((a, b) => a - b);
  const slices = bounds.slice(1).map((end, i): Slice => [bounds[i]!, end]);
  return [...random.permutation(slices.length)].map((index) => slices[index]!);
}
