// The adapter that tests of the WebGPU device run on: Mesa's lavapipe, on the processor, or with SLTRAIN_TEST_GPU=1 the
// machine's own.

import assert from "node:assert/strict";
import { openDawn } from "../../src/device/webgpu/dawn.ts";
import { createWebGpuDevice, type WebGpuDevice } from "../../src/device/webgpu/webgpu-device.ts";
import { LAVAPIPE_DRIVER, LAVAPIPE_SHADERS } from "../../tools/lavapipe.ts";
import { needs } from "./requirement.ts";

const ownGpu = process.env.SLTRAIN_TEST_GPU === "1";

/** For node:test's options. */
export const needsGpu = ownGpu ? { skip: false as const } : needs("lavapipe");

/**
 * What makes a child process's Vulkan that of the tests. Lavapipe spends its time on compiling, and that grows with the
 * lanes that it writes code for: with four rather than eight it takes a third, without LLVM's optimiser a third of that.
 */
export const gpuEnvironment: Readonly<Record<string, string>> = ownGpu
  ? {}
  : {
      ...{ VK_DRIVER_FILES: LAVAPIPE_DRIVER, VK_ICD_FILENAMES: LAVAPIPE_DRIVER },
      ...{ LP_NATIVE_VECTOR_WIDTH: "128", GALLIVM_PERF: "nopt", MESA_SHADER_CACHE_DIR: LAVAPIPE_SHADERS },
    };

export async function testAdapter(): Promise<GPUAdapter> {
  Object.assign(process.env, gpuEnvironment);
  const adapter = await (await openDawn("vulkan")).requestAdapter();
  assert.ok(adapter, "Dawn finds no adapter");
  // Dawn's null backend and another driver than the one that was meant would pass for it.
  if (ownGpu) assert.equal(adapter.info.isFallbackAdapter, false);
  else assert.match(`${adapter.info.vendor} ${adapter.info.description}`, /^mesa llvmpipe: Mesa 25\./);
  return adapter;
}

export async function createTestGpu(): Promise<WebGpuDevice> {
  return createWebGpuDevice(await testAdapter());
}
