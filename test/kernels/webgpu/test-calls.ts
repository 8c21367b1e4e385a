// What every WebGPU kernel promises, over the calls that every device's kernels are tested with: it agrees with the
// reference in double precision, writes nothing but its outputs, gives equal bits run after run, and in place where its op
// may work in place. All of that again as if the adapter had no subgroups, where a kernel then does otherwise.
//
// SLTRAIN_TEST_SECONDS=600 gives the random calls of each file that long instead of some seconds; SLTRAIN_TEST_SEED=2
// draws others; SLTRAIN_TEST_GPU=1 runs on the machine's own adapter. A failure names the op and the call's number.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { WebGpuDevice } from "../../../src/device/webgpu/webgpu-device.ts";
import { ops } from "../../../src/kernels/ops/index.ts";
import type { AnyOp } from "../../../src/kernels/op.ts";
import type { WebGpuKernel, WebGpuTarget } from "../../../src/kernels/webgpu/kernel.ts";
import { webgpuKernels } from "../../../src/kernels/webgpu/kernels.ts";
import { createTestGpu, needsGpu } from "../../support/gpu.ts";
import { allCases, operandsOf, type Case } from "../cases.ts";
import { assertClose, bitsOf, expected } from "../expected.ts";
import { randomCalls, randomCase, type ComputingOp, type Family } from "../random-calls.ts";
import { runCall } from "./run-calls.ts";

const SECONDS = Number(process.env["SLTRAIN_TEST_SECONDS"] ?? 2.5);
const SEED = Number(process.env["SLTRAIN_TEST_SEED"] ?? 1);
/** Calls of an op, in the time that there is by default. */
const MOST_CALLS = process.env["SLTRAIN_TEST_SECONDS"] === undefined ? 20 : Infinity;

/** Listed calls of a kernel, in the time that there is by default: to compile a shader for the processor takes 0.2 s. */
const MOST_CASES = process.env["SLTRAIN_TEST_SECONDS"] === undefined ? 8 : Infinity;

/** Largest error, relative to `Expected.scale`: f32 sums in any order, WGSL's own accuracy of functions. */
const TOLERANCE = 2e-6;

export function testCalls(family: Family, tolerance: (op: ComputingOp) => number = () => TOLERANCE): void {
  let device: WebGpuDevice | undefined;
  before(async () => {
    if (needsGpu.skip === false) device = await createTestGpu();
  });
  after(() => device?.destroy());

  const check = async (device: WebGpuDevice, kernel: WebGpuKernel, one: Case): Promise<void> => {
    await checkOn(device, kernel, one);
    if (usesSubgroups(kernel, one, device.target)) await checkOn(device, withoutSubgroups(kernel), one);
  };

  const checkOn = async (device: WebGpuDevice, kernel: WebGpuKernel, one: Case): Promise<void> => {
    const operands = operandsOf(one);
    const got = await runCall(device, kernel, one, operands);
    assertClose(kernel.name, one, got, expected(one, operands), tolerance(one.op as ComputingOp));
    const again = await runCall(device, kernel, one, operands);
    const label = `${kernel.name}, ${one.label}`;
    assert.deepEqual(bitsOf(again), bitsOf(got), `${label}: run again`);
    const { inPlace = [] } = ops[one.op] as AnyOp;
    for (const input of inPlace) {
      const over = await runCall(device, kernel, one, operands, [input]);
      assert.deepEqual(bitsOf(over), bitsOf(got), `${label}: over input ${input}`);
    }
  };

  const names = Object.keys(randomCalls[family]) as ComputingOp[];
  for (const op of names) {
    const kernels = webgpuKernels.filter((kernel) => kernel.op === ops[op]);
    for (const kernel of kernels)
      test(`${kernel.name} computes the listed calls of ${op}`, needsGpu, async (t) => {
        const cases = spreadOver(
          allCases.filter((one) => one.op === op && kernel.accepts(one.call, device!.target)),
          MOST_CASES,
        );
        if (cases.length === 0) {
          t.skip("no listed call is for it on this adapter");
          return;
        }
        for (const one of cases) await check(device!, kernel, one);
        t.diagnostic(`${cases.length} calls`);
      });
    test(`random calls of ${op}`, needsGpu, async (t) => {
      const end = performance.now() + (SECONDS * 1000) / names.length;
      let calls = 0;
      for (; calls === 0 || (calls < MOST_CALLS && performance.now() < end); calls++) {
        const number = SEED * 1_000_000 + calls;
        const drawn = randomCase(op, number);
        const accepting = kernels.filter((kernel) => kernel.accepts(drawn.call, device!.target));
        assert.ok(accepting.length > 0, `call ${number}: no kernel for ${drawn.label}`);
        for (const kernel of accepting)
          await check(device!, kernel, { ...drawn, label: `call ${number}: ${drawn.label}` });
      }
      t.diagnostic(`${calls} calls`);
    });
  }
}

/** What an adapter without subgroups would run. */
function withoutSubgroups(kernel: WebGpuKernel): WebGpuKernel {
  return {
    ...kernel,
    name: `${kernel.name} without subgroups`,
    build: (call, target) => kernel.build(call, { ...target, subgroupSize: undefined }),
  };
}

function usesSubgroups(kernel: WebGpuKernel, { call }: Case, target: WebGpuTarget): boolean {
  if (!kernel.accepts(call, { ...target, subgroupSize: undefined })) return false;
  return kernel.build(call, target).passes.some(({ wgsl }) => /\bsubgroup[A-Z]/.test(wgsl));
}

/** At most that many, at equal distances, the first and the last among them. */
function spreadOver<T>(all: readonly T[], most: number): readonly T[] {
  if (all.length <= most) return all;
  return Array.from({ length: most }, (_, i) => all[Math.round((i * (all.length - 1)) / (most - 1))]!);
}
