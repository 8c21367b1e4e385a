import assert from "node:assert/strict";
import { test } from "node:test";
import { matrixPeakWgsl, measureMatrixPeaks } from "../../bench/webgpu/matrix-peak.ts";
import { HALF_PRECISION_TOGGLES } from "../../src/device/webgpu/precision.ts";
import { findAdapter } from "../../src/device/webgpu/adapters.ts";
import { SUBGROUP_MATRIX_FEATURE } from "../../src/device/webgpu/subgroup-matrix.ts";
import { openDawn } from "../../src/device/webgpu/dawn.ts";
import { gpuEnvironment, needsGpu } from "../support/gpu.ts";

Object.assign(process.env, gpuEnvironment);

test("the kernel of subgroup matrices compiles for the sizes of NVIDIA and Apple", async () => {
  // Nothing on a processor executes them; Dawn's null backend compiles.
  const adapter = await (await openDawn("null", { toggles: HALF_PRECISION_TOGGLES })).requestAdapter();
  const device = await adapter!.requestDevice({
    requiredFeatures: [SUBGROUP_MATRIX_FEATURE, "subgroups", "shader-f16"],
  });
  for (const [componentType, resultType, M, N, K] of [
    ["f16", "f32", 16, 16, 16],
    ["f16", "f16", 16, 8, 16],
    ["f32", "f32", 8, 8, 8],
  ] as const) {
    device.pushErrorScope("validation");
    const code = matrixPeakWgsl({ componentType, resultType, M, N, K }, 4);
    device.createComputePipeline({
      layout: "auto",
      compute: { module: device.createShaderModule({ code }) },
    });
    assert.equal(await device.popErrorScope(), null, code);
  }
  device.destroy();
});

test("an adapter without subgroup matrices has no peak of them", needsGpu, async () => {
  const { description } = await findAdapter();
  assert.deepEqual(await measureMatrixPeaks(description.name), []);
});
