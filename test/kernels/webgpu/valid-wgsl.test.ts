// What the built-in models and the benches run on a large adapter: too large for the software GPU, whose subgroups are
// narrower too, so that the kernels chosen for it run nowhere in tests. Dawn's null backend checks their WGSL.

import assert from "node:assert/strict";
import { test } from "node:test";
import { kernelCases } from "../../../bench/kernels/cases.ts";
import { bindPass } from "../../../src/device/webgpu/bind.ts";
import { openDawn } from "../../../src/device/webgpu/dawn.ts";
import { HALF_PRECISION_TOGGLES } from "../../../src/device/webgpu/precision.ts";
import { SUBGROUP_MATRIX_FEATURE } from "../../../src/device/webgpu/subgroup-matrix.ts";
import type { AnyOp } from "../../../src/kernels/op.ts";
import { fp16ChunkEncode, int8ChunkEncode, topKChunkEncode } from "../../../src/kernels/ops/chunk-codecs.ts";
import { f32, i32 } from "../../../src/kernels/tensor.ts";
import { chooseWebGpuKernel } from "../../../src/kernels/webgpu/choose.ts";
import type { WebGpuTarget } from "../../../src/kernels/webgpu/kernel.ts";
import { FP16_BLOCK } from "../../../src/shard/codec/fp16.ts";
import { INT8_BLOCK } from "../../../src/shard/codec/int8.ts";

const LARGE: WebGpuTarget = {
  subgroupSize: 32,
  shaderF16: true,
  workgroupBytes: 49_152,
  workgroupInvocations: 1024,
  storageBuffers: 8,
};
/** The same where products and convolutions may round their operands, with matrices as NVIDIA's and AMD's have them. */
const HALF: WebGpuTarget = { ...LARGE, precision: "f16", subgroupMatrix: { m: 16, n: 16, k: 16 } };

test("all that the models and benches run on a large adapter is valid WGSL within WebGPU's limits", async (t) => {
  const adapter = await (await openDawn("null", { toggles: HALF_PRECISION_TOGGLES })).requestAdapter();
  assert.ok(adapter, "Dawn has no null adapter");
  const device = await adapter.requestDevice({
    requiredFeatures: ["subgroups", "shader-f16", SUBGROUP_MATRIX_FEATURE],
  });
  // The messages say it.
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
  });
  const seen = new Set<string>();
  const rounding = new Set<string>();
  for (const { op, call, shape } of [...kernelCases({ quick: false }), ...chunkCases()])
    for (const target of [LARGE, HALF]) {
      const kernel = chooseWebGpuKernel(op, call, target);
      assert.ok(kernel, `no kernel for ${op.name} ${shape}`);
      if (target === HALF && kernel !== chooseWebGpuKernel(op, call, LARGE)) rounding.add(op.name);
      const where = `${kernel.name}, ${shape}`;
      for (const pass of kernel.build(call, target).passes) {
        assert.ok(Math.max(...pass.workgroups) <= 65_535, `${where}: ${pass.workgroups.join()} workgroups`);
        let operand = 0;
        // Each operand lies elsewhere; the null device is never asked for it.
        const { wgsl, ranges } = bindPass(pass, () => ({
          buffer: {} as GPUBuffer,
          offset: operand++,
          size: 256,
        }));
        assert.ok(ranges.length <= target.storageBuffers, `${where} binds ${ranges.length} buffers`);
        if (seen.has(wgsl)) continue;
        seen.add(wgsl);
        const { messages } = await device.createShaderModule({ code: wgsl }).getCompilationInfo();
        const found = messages.map(({ lineNum, message }) => `${lineNum}: ${message}`);
        assert.deepEqual(found, [], `${where}\n${wgsl}`);
      }
    }
  assert.deepEqual([...rounding].sort(), [
    "conv2d",
    "conv2d-filter-grad",
    "conv2d-input-grad",
    "dense",
    "matmul",
  ]);
  t.diagnostic(`${seen.size} modules`);
  device.destroy();
});

/** Pieces of gradients of the largest models that a GPU encodes; no bench of single kernels has them. */
function* chunkCases() {
  const length = 25_600_064;
  for (const [op, more, params] of [
    [fp16ChunkEncode, [], { blockElements: FP16_BLOCK }],
    [int8ChunkEncode, [i32(1)], { blockElements: INT8_BLOCK }],
    [topKChunkEncode, [f32(length)], { kept: 256_001 }],
  ] as const) {
    const inputs = [f32(length), ...more];
    const outputs = (op as AnyOp).infer(inputs, params);
    yield { op: op as AnyOp, call: { inputs, outputs, params }, shape: `of ${length}` };
  }
}
