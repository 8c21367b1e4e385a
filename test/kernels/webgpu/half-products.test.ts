// Products that round their operands to f16: chosen only where that is allowed, and right within f16's accuracy. Subgroup
// matrices are compiled, and run with loops for the adapter's part: nothing but a GPU can do more.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bindPass } from "../../../src/device/webgpu/bind.ts";
import { openDawn } from "../../../src/device/webgpu/dawn.ts";
import { SUBGROUP_MATRIX_FEATURE, subgroupMatrixOf } from "../../../src/device/webgpu/subgroup-matrix.ts";
import { matmul } from "../../../src/kernels/ops/matmul.ts";
import { f32 } from "../../../src/kernels/tensor.ts";
import { chooseWebGpuKernel } from "../../../src/kernels/webgpu/choose.ts";
import type { WebGpuKernel, WebGpuTarget } from "../../../src/kernels/webgpu/kernel.ts";
import { webgpuKernels } from "../../../src/kernels/webgpu/kernels.ts";
import { tiledMatmul } from "../../../src/kernels/webgpu/products/matmul.ts";
import { TILES } from "../../../src/kernels/webgpu/products/tiles.ts";
import { createTestGpu, needsGpu } from "../../support/gpu.ts";
import { caseOf, operandsOf } from "../cases.ts";
import { assertClose, expected } from "../expected.ts";
import { emulated } from "./emulated-subgroup-matrix.ts";
import { runCall } from "./run-calls.ts";

/** Of operands that are rounded to 11 bits. */
const HALF_TOLERANCE = 1e-3;

const target: WebGpuTarget = {
  subgroupSize: 32,
  shaderF16: true,
  workgroupBytes: 49_152,
  workgroupInvocations: 1024,
  storageBuffers: 16,
  precision: "f16",
  // Extents that differ cannot be mistaken for each other.
  subgroupMatrix: { m: 8, n: 32, k: 16 },
};

function product(m: number, n: number, k: number, transposeA: boolean, transposeB: boolean) {
  const inputs = [transposeA ? f32(k, m) : f32(m, k), transposeB ? f32(n, k) : f32(k, n)];
  return { inputs, outputs: [f32(m, n)], params: { transposeA, transposeB } };
}

test("operands are rounded only where the target allows it", () => {
  const large = product(2048, 2048, 512, false, false);
  const nameOn = (on: WebGpuTarget) => chooseWebGpuKernel(matmul, large, on)!.name;
  assert.equal(nameOn(target), "f16-matmul-subgroup-matrix-webgpu");
  const { subgroupMatrix: _, ...tiles } = target;
  assert.equal(nameOn(tiles), "f16-matmul-128x128x256-webgpu");
  assert.equal(nameOn({ ...target, precision: "f32" }), "f32-matmul-128x128x256-webgpu");
  assert.equal(nameOn({ ...tiles, shaderF16: false }), "f32-matmul-128x128x256-webgpu");
});

test("a product of f16 has sums of f32", needsGpu, async () => {
  const device = await createTestGpu();
  const one = caseOf("matmul", [f32(70, 300), f32(300, 52)], { transposeA: false, transposeB: false });
  const operands = operandsOf(one);
  const kernel = tiledMatmul(
    TILES.find(({ rows, columns }) => rows === 64 && columns === 64)!,
    "f16",
  );
  const [got] = await runCall(device, kernel, one, operands);
  const want = expected(one, operands);
  assertClose(kernel.name, one, [got!], want, HALF_TOLERANCE);
  const errors = got!.map((value, i) => Math.abs(value - want[0]!.values[i]!));
  assert.ok(Math.max(...errors) / want[0]!.scale > 1e-6, "nothing was rounded");
  device.destroy();
});

test("a kernel of subgroup matrices has the product of its rounded operands", needsGpu, async () => {
  const device = await createTestGpu();
  // Fewer lanes, each of which does its subgroup's work.
  const narrow: WebGpuTarget = { ...target, subgroupSize: 8 };
  const kernel = emulated(webgpuKernels.find(({ name }) => name === "f16-matmul-subgroup-matrix-webgpu")!);
  for (const { inputs, transposed } of [
    { inputs: [f32(130, 34), f32(34, 100)], transposed: false },
    { inputs: [f32(34, 100), f32(134, 34)], transposed: true },
  ]) {
    const one = caseOf("matmul", inputs, { transposeA: transposed, transposeB: transposed });
    const operands = operandsOf(one).map((values) => Float32Array.from(values, Math.f16round));
    const built: WebGpuKernel = { ...kernel, build: (call) => kernel.build(call, narrow) };
    const got = await runCall(device, built, one, operands);
    assertClose(kernel.name, one, got, expected(one, operands), 2e-6);
  }
  device.destroy();
});

test("kernels of subgroup matrices compile", async () => {
  const gpu = await openDawn("null", { toggles: ["allow_unsafe_apis"] });
  const adapter = (await gpu.requestAdapter())!;
  const device = await adapter.requestDevice({
    requiredFeatures: ["shader-f16", "subgroups", SUBGROUP_MATRIX_FEATURE],
  });
  // Not pipelines: this adapter's limits on workgroup memory are below what any GPU with such matrices has.
  const errorsOf = async (code: string): Promise<readonly string[]> => {
    device.pushErrorScope("validation");
    const { messages } = await device.createShaderModule({ code }).getCompilationInfo();
    await device.popErrorScope();
    return messages.filter(({ type }) => type === "error").map(({ message }) => message);
  };
  for (const n of [2048, 2050])
    for (const transposeA of [false, true])
      for (const transposeB of [false, true]) {
        const call = product(2048, n, 510, transposeA, transposeB);
        const kernel = chooseWebGpuKernel(matmul, call, target)!;
        assert.equal(kernel.name, "f16-matmul-subgroup-matrix-webgpu");
        const [pass] = kernel.build(call, target).passes;
        const buffers = [0, 1, 2].map(() =>
          device.createBuffer({ size: 256, usage: GPUBufferUsage.STORAGE }),
        );
        const bound = bindPass(pass!, (of) => ({
          buffer: buffers["input" in of ? of.input : 2]!,
          offset: 0,
          size: 256,
        }));
        assert.deepEqual(await errorsOf(bound.wgsl), []);
        const mixed = bound.wgsl.replace("subgroup_matrix_left<f16", "subgroup_matrix_left<f32");
        assert.notDeepEqual(await errorsOf(mixed), []);
      }
  device.destroy();
});

test("of the adapter's matrices the largest of f16 with sums of f32 are taken", () => {
  const config = (componentType: string, resultComponentType: string, M: number) => ({
    ...{ componentType, resultComponentType, M, N: 8, K: 16 },
  });
  const info = {
    subgroupMatrixConfigs: [config("f16", "f16", 32), config("f16", "f32", 8), config("f16", "f32", 16)],
  };
  const target = subgroupMatrixOf(info as unknown as GPUAdapterInfo);
  assert.deepEqual(target, { subgroupMatrix: { m: 16, n: 8, k: 16 } });
  assert.deepEqual(subgroupMatrixOf({} as GPUAdapterInfo), {});
});
