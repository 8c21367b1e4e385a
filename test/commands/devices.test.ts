import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { AdapterDescription } from "../../src/device/webgpu/adapters.ts";
import { sltrain, temporaryFolder } from "../support/cli.ts";
import { gpuEnvironment, needsGpu } from "../support/gpu.ts";

const folder = temporaryFolder();
after(folder.remove);

test("devices prints each GPU with what --adapter takes, and within a screen", needsGpu, async () => {
  const { code, stdout } = await sltrain(["devices"], folder.path, gpuEnvironment);
  assert.equal(code, 0);
  assert.match(stdout, /^processor {2}--device wasm\nname /);
  assert.match(stdout, /\nGPU 0 {2}--device webgpu --adapter 0\nname +\S+/);
  assert.match(stdout, /subgroups \(sums within a subgroup\)/);
  assert.match(stdout, /\nbuffers +at most [\d.]+ [GM]i?B each/);
  assert.ok(stdout.split("\n").length <= 24);
});

test("devices --json tells all features and limits", needsGpu, async () => {
  const { stdout } = await sltrain(["devices", "--json"], folder.path, gpuEnvironment);
  const { adapters } = JSON.parse(stdout) as { adapters: AdapterDescription[] };
  assert.ok(adapters[0]!.limits["maxBufferSize"]! >= 2 ** 28);
  assert.ok(adapters[0]!.features.includes("core-features-and-limits"));
  assert.equal(adapters[0]!.index, 0);
});

test("devices says where to ask if there is no GPU", async () => {
  const noDriver = { VK_DRIVER_FILES: "/dev/null", VK_ICD_FILENAMES: "/dev/null" };
  const { code, stdout } = await sltrain(["devices"], folder.path, noDriver);
  assert.equal(code, 0);
  assert.match(stdout, /GPU {2}none; `sltrain doctor --device webgpu` says what is missing/);
});
