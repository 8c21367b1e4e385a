// The device that a run asks for, each in a process of its own: what Vulkan finds is decided once a process.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { AdapterDescription } from "../../src/device/webgpu/adapters.ts";
import type { DeviceRequest } from "../../src/device/open-device.ts";
import { createWebGpuDevice } from "../../src/device/webgpu/webgpu-device.ts";
import { LAVAPIPE_DRIVER } from "../../tools/lavapipe.ts";
import { needs } from "../support/requirement.ts";
import { temporaryFolder } from "../support/cli.ts";

const OPEN = fileURLToPath(new URL("open-device.child.ts", import.meta.url));
const SOFTWARE = /^llvmpipe \(LLVM/;
const lavapipe = needs("lavapipe");

interface Outcome {
  readonly name?: string;
  readonly adapter?: { readonly name: string; readonly isSoftware: boolean };
  readonly adapters?: readonly AdapterDescription[];
  readonly code?: string;
  readonly message?: string;
  readonly suggestions?: readonly string[];
}

async function open(drivers: string, request: DeviceRequest | "list", env = {}): Promise<Outcome> {
  const { stdout } = await promisify(execFile)(process.execPath, [OPEN, JSON.stringify(request)], {
    env: { ...process.env, VK_DRIVER_FILES: drivers, VK_ICD_FILENAMES: drivers, ...env },
  });
  return JSON.parse(stdout) as Outcome;
}

/** A second driver that finds the same adapter: two equal GPUs. */
function twinDrivers(folder: string): string {
  const manifest = JSON.parse(readFileSync(LAVAPIPE_DRIVER, "utf8")) as { ICD: { library_path: string } };
  const library = join(folder, "libvulkan_lvp_twin.so");
  copyFileSync(manifest.ICD.library_path, library);
  const twin = join(folder, "twin.json");
  writeFileSync(twin, JSON.stringify({ ...manifest, ICD: { ...manifest.ICD, library_path: library } }));
  return [LAVAPIPE_DRIVER, twin].join(delimiter);
}

test("takes a software adapter where a GPU is asked for, and says so", lavapipe, async () => {
  const { name, adapter } = await open(LAVAPIPE_DRIVER, { device: "webgpu" });
  assert.equal(name, "webgpu");
  assert.match(adapter!.name, SOFTWARE);
  assert.equal(adapter!.isSoftware, true);
});

test("takes the processor itself rather than a software adapter, by itself", lavapipe, async () => {
  assert.equal((await open(LAVAPIPE_DRIVER, { device: "auto" })).name, "wasm");
});

test("finds an adapter by index and by a part of its name, cases aside", lavapipe, async () => {
  for (const adapter of ["0", "LLVMpipe"])
    assert.match((await open(LAVAPIPE_DRIVER, { device: "webgpu", adapter })).adapter!.name, SOFTWARE);
});

test("lists the adapters where none is the one that was meant", lavapipe, async () => {
  for (const device of ["webgpu", "auto"] as const) {
    const { code, message } = await open(LAVAPIPE_DRIVER, { device, adapter: "H100" });
    assert.equal(code, "adapter-missing");
    assert.match(message!, /got H100; there are 0: llvmpipe \(LLVM/);
  }
});

test("lists two equal adapters, and refuses the one that Dawn does not reach", lavapipe, async (t) => {
  const folder = temporaryFolder();
  t.after(folder.remove);
  const drivers = twinDrivers(folder.path);
  const { adapters } = await open(drivers, "list");
  assert.deepEqual(
    adapters!.map(({ index }) => index),
    [0, 1],
  );
  assert.equal(adapters![0]!.name, adapters![1]!.name);
  assert.ok(adapters![0]!.limits["maxBufferSize"]! > 2 ** 28);
  assert.ok(adapters![0]!.features.includes("shader-f16"));
  assert.equal((await open(drivers, { device: "webgpu", adapter: "0" })).name, "webgpu");
  const refused = await open(drivers, { device: "webgpu", adapter: "1" });
  assert.equal(refused.code, "adapter-missing");
  assert.match(refused.message!, /adapter 1 is called llvmpipe.*as adapter 0 is/);
});

test("opens for products of f16, with Dawn's experiments, where the adapter has f16", lavapipe, async () => {
  const { name, adapter } = await open(LAVAPIPE_DRIVER, { device: "webgpu", precision: "f16" });
  assert.equal(name, "webgpu");
  assert.match(adapter!.name, SOFTWARE);
});

test("names the feature where an adapter can't compute with f16", async () => {
  // No driver at hand lacks it.
  const adapter = { info: { device: "Voodoo 2" }, features: new Set(["subgroups"]) } as unknown as GPUAdapter;
  await assert.rejects(createWebGpuDevice(adapter, { precision: "f16" }), {
    code: "feature-missing",
    message: "--precision f16: expected an adapter with the feature shader-f16, got Voodoo 2, which lacks it",
  });
});

test("says what is missing where there is no driver", lavapipe, async () => {
  const { code, message, suggestions } = await open("/nowhere/icd.json", { device: "webgpu" });
  assert.equal(code, "adapter-missing");
  assert.match(message!, /expected a GPU, got none: .*no driver's manifest/);
  assert.match(suggestions!.join(" "), /NVIDIA_DRIVER_CAPABILITIES.*--device wasm/);
  assert.deepEqual((await open("/nowhere/icd.json", "list")).adapters, []);
  assert.equal((await open("/nowhere/icd.json", { device: "auto" })).name, "wasm");
});

test("says what is missing where the package is not installed", async () => {
  const env = { SLTRAIN_WEBGPU_MODULE: "no-such-package" };
  assert.equal((await open("/nowhere/icd.json", { device: "webgpu" }, env)).code, "webgpu-missing");
  assert.equal((await open("/nowhere/icd.json", { device: "auto" }, env)).name, "wasm");
});
