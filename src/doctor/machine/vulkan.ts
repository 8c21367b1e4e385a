// Whether this machine has what Vulkan programs need: its loader and a driver. Nothing is loaded.

import { basename } from "node:path";
import { findVulkan } from "../../device/webgpu/vulkan-installation.ts";
import type { Finding, Subject } from "../check.ts";

export function checkVulkan({ env, config }: Subject): Finding {
  // Kernels also run as WebAssembly: nothing is missing where there is no graphics driver.
  if (process.platform !== "linux") return { outcome: "info", found: "looked for on Linux only" };
  const { loader, drivers } = findVulkan(env);
  const names = drivers.map((path) => basename(path, ".json"));
  if (loader !== undefined && names.length > 0)
    return { outcome: "ok", found: `loader, and drivers ${names.join(", ")}` };
  const found = loader === undefined ? "no loader (libvulkan.so.1)" : "loader, but no driver";
  // What to do about it stands beside the GPU, which is missing for it.
  if (config.device === "webgpu") return { outcome: "failing", found };
  return { outcome: "info", found: `${found}; kernels run on the CPU` };
}
