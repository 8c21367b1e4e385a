// What Vulkan programs need of a Linux machine: the loader, and a driver's manifest. Nothing is loaded: a driver that is
// there may still find no device. https://github.com/KhronosGroup/Vulkan-Loader/blob/main/docs/LoaderDriverInterface.md

import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

export interface VulkanInstallation {
  /** The folder that has libvulkan.so.1. */
  readonly loader: string | undefined;
  /** Manifests of drivers (.json), in the loader's order. */
  readonly drivers: readonly string[];
}

const LIBRARY_FOLDERS = [
  "/usr/lib",
  "/usr/lib64",
  "/usr/local/lib",
  "/lib",
  ...["x86_64", "aarch64"].flatMap((arch) => [`/usr/lib/${arch}-linux-gnu`, `/lib/${arch}-linux-gnu`]),
];

export function findVulkan(env: NodeJS.ProcessEnv): VulkanInstallation {
  const named = (env["LD_LIBRARY_PATH"] ?? "").split(delimiter).filter(Boolean);
  return {
    loader: [...named, ...LIBRARY_FOLDERS].find((folder) => existsSync(join(folder, "libvulkan.so.1"))),
    drivers: driverManifests(env),
  };
}

/** Variables that name files come before the folders. */
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
