import assert from "node:assert/strict";
import { test } from "node:test";
import type { Program } from "../../../src/device/device.ts";
import { timeCallMs, tunedChoice, type Tuning } from "../../../src/device/webgpu/tuned-choice.ts";
import { matmul } from "../../../src/kernels/ops/matmul.ts";
import { f32 } from "../../../src/kernels/tensor.ts";
import { chooseWebGpuKernel } from "../../../src/kernels/webgpu/choose.ts";
import type { WebGpuTarget } from "../../../src/kernels/webgpu/kernel.ts";
import { temporaryFolder } from "../../support/cli.ts";
import { createTestGpu, needsGpu } from "../../support/gpu.ts";

const target: WebGpuTarget = {
  ...{ subgroupSize: 32, shaderF16: true },
  ...{ workgroupBytes: 49_152, workgroupInvocations: 1024, storageBuffers: 16 },
};
const params = { transposeA: false, transposeB: false };

function productOf(side: number) {
  return { inputs: [f32(side, side), f32(side, side)], outputs: [f32(side, side)], params };
}

function programOf(side: number): Program {
  const { inputs, outputs } = productOf(side);
  const place = { kind: "arena" } as const;
  const values = [...inputs, ...outputs].map((type, i) => ({ type, name: `${i}`, place }));
  return { values, instructions: [{ op: matmul, params, inputs: [0, 1], outputs: [2] }], vectors: {} };
}

test("the fastest of equal bits is chosen, once measured for an adapter", async () => {
  const folder = temporaryFolder();
  const measured: string[] = [];
  const tuning = (adapter: string, fastest: string): Tuning => ({
    ...{ target, adapter, folder: folder.path },
    timeMs: (_op, { name }) => {
      measured.push(name);
      return Promise.resolve(name.includes(fastest) ? 1 : 2);
    },
  });
  const nameOn = async (adapter: string, fastest: string): Promise<string> =>
    (await tunedChoice(programOf(1024), tuning(adapter, fastest)))(matmul, productOf(1024), target)!.name;

  const fixed = chooseWebGpuKernel(matmul, productOf(1024), target)!;
  assert.equal(await nameOn("one", "128x32"), "f32-matmul-128x32x128-webgpu");
  assert.equal(measured[0], fixed.name, "what shapes choose comes first, and stays where nothing is faster");
  const candidates = measured.length;
  assert.ok(candidates > 2 && measured.every((name) => /^f32-matmul-\d+x/.test(name)), measured.join());
  assert.equal(await nameOn("one", "64x64"), "f32-matmul-128x32x128-webgpu", "remembered");
  assert.equal(measured.length, candidates);
  assert.equal(await nameOn("another", "128x128"), "f32-matmul-128x128x256-webgpu");
  assert.equal(measured.length, 2 * candidates);
  folder.remove();
});

test("calls that one kernel alone computes are not measured", async () => {
  const timeMs = () => assert.fail("measured");
  const choice = await tunedChoice(programOf(16), { target, adapter: "any", folder: "", timeMs });
  assert.equal(choice(matmul, productOf(16), target), chooseWebGpuKernel(matmul, productOf(16), target));
});

test("a call is timed on the device", needsGpu, async () => {
  const device = await createTestGpu();
  const kernel = chooseWebGpuKernel(matmul, productOf(16), device.target)!;
  assert.ok((await timeCallMs(device, matmul, kernel, productOf(16))) > 0);
  device.destroy();
});
