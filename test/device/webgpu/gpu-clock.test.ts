import assert from "node:assert/strict";
import { test } from "node:test";
import type { Program } from "../../../src/device/device.ts";
import { createWebGpuDevice, type WebGpuDevice } from "../../../src/device/webgpu/webgpu-device.ts";
import { relu } from "../../../src/kernels/ops/elementwise.ts";
import { f32 } from "../../../src/kernels/tensor.ts";
import { needsGpu, testAdapter } from "../../support/gpu.ts";

const ELEMENTS = 2 ** 20;

/** So many times relu over a vector. */
function reluProgram(times: number): Program {
  const value = {
    type: f32(ELEMENTS),
    name: "x",
    place: { kind: "vector", vector: "x", offset: 0 },
  } as const;
  return {
    values: [value],
    instructions: Array.from({ length: times }, () => ({ op: relu, params: {}, inputs: [0], outputs: [0] })),
    vectors: { x: ELEMENTS },
  };
}

async function compile(device: WebGpuDevice, times: number) {
  const vectors = { x: device.alloc(ELEMENTS, "x") };
  return device.compile(reluProgram(times), { offsets: [-1], arenaElements: 0 }, vectors);
}

test("the GPU's time of a step is within the step's, and more for more work", needsGpu, async () => {
  const device = await createWebGpuDevice(await testAdapter(), { countBusyTime: true });
  try {
    assert.equal(device.busyMs, 0);
    const timesMs: number[] = [];
    for (const times of [1, 20]) {
      const step = await compile(device, times);
      await step.run();
      const [busyMs, beganMs] = [device.busyMs, performance.now()];
      await step.run();
      timesMs.push(device.busyMs - busyMs);
      assert.ok(timesMs.at(-1)! > 0 && timesMs.at(-1)! <= performance.now() - beganMs);
    }
    assert.ok(timesMs[1]! > 3 * timesMs[0]!, `20 times took ${timesMs[1]} ms, once ${timesMs[0]} ms`);
    // Quantised ones are multiples of 65,536 ns.
    assert.ok(timesMs.some((ms) => Math.round(ms * 1e6) % 65_536 !== 0));
  } finally {
    device.destroy();
  }
});

test("a device that was not asked to counts no time", needsGpu, async () => {
  const device = await createWebGpuDevice(await testAdapter());
  await (await compile(device, 1)).run();
  assert.equal(device.busyMs, undefined);
  device.destroy();
});
