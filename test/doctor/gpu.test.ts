import assert from "node:assert/strict";
import { test } from "node:test";
import { checkGpu } from "../../src/doctor/machine/gpu.ts";
import { checkVulkan } from "../../src/doctor/machine/vulkan.ts";
import { LAVAPIPE_DRIVER } from "../../tools/lavapipe.ts";
import { needs } from "../support/requirement.ts";
import { checkAlone, subjectOf } from "./subject.ts";

test(
  "software in a GPU's place is named: a hint by itself, a warning where a GPU is to train",
  needs("lavapipe"),
  async () => {
    Object.assign(process.env, { VK_DRIVER_FILES: LAVAPIPE_DRIVER, VK_ICD_FILENAMES: LAVAPIPE_DRIVER });
    for (const [device, expected] of [
      ["wasm", "info"],
      ["webgpu", "warning"],
    ] as const) {
      const { outcome, found, remedies } = await checkAlone(checkGpu, subjectOf({}, { device }));
      assert.equal(outcome, expected);
      assert.match(found, /^0: llvmpipe .*\(software\); --device auto trains on the processor/);
      assert.match(remedies.join(), /--device wasm to train/);
    }
    const missing = subjectOf({}, { device: "webgpu", adapter: "voodoo2" });
    assert.match((await checkAlone(checkGpu, missing)).found, /got voodoo2; there are 0: llvmpipe/);
  },
);

test("a loader or a driver that is missing fails whoever wants a GPU, and nobody else", async () => {
  const env = { VK_DRIVER_FILES: "/nowhere/icd.json", LD_LIBRARY_PATH: "" };
  const outcomeFor = async (device: "wasm" | "webgpu") =>
    (await checkAlone(checkVulkan, subjectOf(env, { device }))).outcome;
  const isLinux = process.platform === "linux";
  assert.equal(await outcomeFor("wasm"), "info");
  assert.equal(await outcomeFor("webgpu"), isLinux ? "failing" : "info");
});
