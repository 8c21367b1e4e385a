// What the built-in models and the benches run on a large adapter: too large for the software GPU, whose subgroups are
// narrower too, so that the kernels chosen for it run nowhere in tests. Dawn's null backend checks their WGSL.

import assert from "node:assert/strict";
import { test } from "node:test";
import { kernelCases } from "../../../bench/kernels/cases.ts";
import { bindPass } from "../../../src/device/webgpu/bind.ts";
import { openDawn } from "../../../src/device/webgpu/dawn.ts";
import { chooseWebGpuKernel } from "../../../src/kernels/webgpu/choose.ts";
import type { WebGpuTarget } from "../../../src/kernels/webgpu/kernel.ts";

const LARGE: WebGpuTarget = {
  subgroupSize: 32,
  shaderF16: true,
  workgroupBytes: 49_152,
  workgroupInvocations: 1024,
  storageBuffers: 8,
};

test("all that the models and benches run on a large adapter is valid WGSL within WebGPU's limits", async (t) => {
  const adapter = await (await openDawn("null")).requestAdapter();
  assert.ok(adapter, "Dawn has no null adapter");
  const device = await adapter.requestDevice({ requiredFeatures: ["subgroups", "shader-f16"] });
  // The messages say it.
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
  });
  const seen = new Set<string>();
  for (const { op, call, shape } of kernelCases({ quick: false })) {
    const kernel = chooseWebGpuKernel(op, call, LARGE);
    assert.ok(kernel, `no kernel for ${op.name} ${shape}`);
    const where = `${kernel.name}, ${shape}`;
    for (const pass of kernel.build(call, LARGE).passes) {
      assert.ok(Math.max(...pass.workgroups) <= 65_535, `${where}: ${pass.workgroups.join()} workgroups`);
      let operand = 0;
      // Each operand lies elsewhere; the null device is never asked for it.
      const { wgsl, ranges } = bindPass(pass, () => ({
        buffer: {} as GPUBuffer,
        offset: operand++,
        size: 256,
      }));
      assert.ok(ranges.length <= LARGE.storageBuffers, `${where} binds ${ranges.length} buffers`);
      if (seen.has(wgsl)) continue;
      seen.add(wgsl);
      const { messages } = await device.createShaderModule({ code: wgsl }).getCompilationInfo();
      const found = messages.map(({ lineNum, message }) => `${lineNum}: ${message}`);
      assert.deepEqual(found, [], `${where}\n${wgsl}`);
    }
  }
  t.diagnostic(`${seen.size} modules`);
  device.destroy();
});
