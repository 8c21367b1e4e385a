// What befalls a GPU that cannot be made to happen on one that works.

import assert from "node:assert/strict";
import { test } from "node:test";
import { DeviceHealth } from "../../../src/device/webgpu/health.ts";

/** As much of a GPUDevice as its health looks at. */
function fakeDevice() {
  const lost = Promise.withResolvers<Pick<GPUDeviceLostInfo, "reason" | "message">>();
  let popped: Pick<GPUError, "message"> | null = null;
  const device = {
    lost: lost.promise,
    addEventListener: () => undefined,
    pushErrorScope: () => undefined,
    popErrorScope: () => Promise.resolve(popped),
  };
  return {
    health: new DeviceHealth(device as unknown as GPUDevice),
    lose: (reason: GPUDeviceLostReason) => lost.resolve({ reason, message: "VK_ERROR_DEVICE_LOST" }),
    refuse: (message: string) => (popped = { message }),
  };
}

test("work that a lost GPU breaks off fails with the loss, which another start may mend", async () => {
  const { health, lose } = fakeDevice();
  const broken = Promise.reject(new DOMException("", "AbortError"));
  lose("unknown");
  await assert.rejects(health.guard(broken), {
    code: "device-lost",
    retryable: true,
    message: /it was lost \(unknown\): VK_ERROR_DEVICE_LOST/,
  });
  assert.equal(health.isLost, true);
});

test("work that seems to end on a lost GPU fails too", async () => {
  const { health, lose } = fakeDevice();
  const work = new Promise((resolve) => setTimeout(resolve, 5));
  lose("unknown");
  await assert.rejects(health.guard(work), { code: "device-lost" });
  assert.throws(() => health.check(), { code: "device-lost" });
});

test("a device that was destroyed is not worth another try", async () => {
  const { health, lose } = fakeDevice();
  lose("destroyed");
  await assert.rejects(health.guard(Promise.reject(new Error("aborted"))), { retryable: false });
});

test("what fails by itself fails as it is", async () => {
  const { health } = fakeDevice();
  await assert.rejects(health.guard(Promise.reject(new Error("a reader's own"))), /a reader's own/);
  assert.equal(health.isLost, false);
});

test("memory that could not be had is thrown where the device is waited for", async () => {
  const { health, refuse } = fakeDevice();
  refuse("vkAllocateMemory failed");
  const buffer = health.watch(
    "out-of-memory",
    () => "a buffer",
    (message) => new Error(`the arena: ${message}`),
  );
  assert.equal(buffer, "a buffer");
  await assert.rejects(health.settled(), /the arena: vkAllocateMemory failed/);
});
