// Whether this machine has what Vulkan programs need: its loader and a driver. Nothing is loaded: a driver that is
// there may still find no device. https://github.com/KhronosGroup/Vulkan-Loader/blob/main/docs/LoaderDriverInterface.md

import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { basename, delimiter, join } from "node:path";
import type { Finding, Subject } from "../check.ts";

const LIBRARY_FOLDERS = [
  "/usr/lib",
  "/usr/lib64",
  "/usr/local/lib",
  "/lib",
  ...["x86_64", "aarch64"].flatMap((arch) => [`/usr/lib/${arch}-linux-gnu`, `/lib/${arch}-linux-gnu`]),
];

export function checkVulkan({ env }: Subject): Finding {
  // sltrain's kernels are WebAssembly: nothing is missing where there is no graphics driver.
  if (process.platform !== "linux") return { outcome: "info", found: "looked for on Linux only" };
  const loader = librariesFrom(env).find((folder) => existsSync(join(folder, "libvulkan.so.1")));
  const drivers = driverManifests(env).map((path) => basename(path, ".json"));
  const [have, lack] = [loader !== undefined, drivers.length === 0];
  if (have && !lack) return { outcome: "ok", found: `loader, and drivers ${drivers.join(", ")}` };
  return { outcome: "info", found: `${have ? "loader, but no driver" : "none"}; kernels run on the CPU` };
}

function librariesFrom(env: NodeJS.ProcessEnv): readonly string[] {
  return [...(env["LD_LIBRARY_PATH"] ?? "").split(delimiter).filter(Boolean), ...LIBRARY_FOLDERS];
}

/** In the loader's order: variables that name files come before the folders. */
function driverManifests(env: NodeJS.ProcessEnv): readonly string[] {
  const named = env["VK_DRIVER_FILES"] ?? env["VK_ICD_FILENAMES"];
  if (named) return named.split(delimiter).filter((path) => existsSync(path));
  const data = [
    env["XDG_DATA_HOME"] || join(homedir(), ".local/share"),
    ...(env["XDG_DATA_DIRS"] || "/usr/local/share:/usr/share").split(delimiter),
  ];
  const folders = ["/etc", ...data].map((folder) => join(folder, "vulkan/icd.d"));
  return folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((path) => path.endsWith(".json"));
}
