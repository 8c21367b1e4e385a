// Mesa's Vulkan on the processor, for tests only: Debian 12's own (22.3) lacks what Dawn asks for, so that of its backports
// is unpacked, beside the system's and not into it.
import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../node_modules/.cache/lavapipe-25/", import.meta.url));
const SOURCE = "deb http://deb.debian.org/debian bookworm-backports main\n";

/** What VK_DRIVER_FILES points to. */
export const LAVAPIPE_DRIVER = join(FOLDER, "lvp_icd.json");

/** What it has compiled for the tests. */
export const LAVAPIPE_SHADERS = join(FOLDER, "shaders");

/** Shared libraries that it is linked with, and the loader. */
export const LAVAPIPE_PACKAGES: readonly string[] = [
  ...["libvulkan1", "libdrm2", "libelf1", "libexpat1", "libllvm15", "libwayland-client0", "libx11-xcb1"],
  ...["libxcb-dri3-0", "libxcb-present0", "libxcb-randr0", "libxcb-shm0", "libxcb-sync1", "libxcb-xfixes0"],
  ...["libxcb1", "libxshmfence1", "libzstd1", "zlib1g"],
];

/** Needs Debian, apt-get and its network; says why if it cannot. */
export function unpackLavapipe(): void {
  const work = `${FOLDER.slice(0, -1)}.${process.pid}`;
  mkdirSync(join(work, "lists"), { recursive: true });
  writeFileSync(join(work, "backports.list"), SOURCE);
  const options = [
    `Dir::Etc::sourcelist=${join(work, "backports.list")}`,
    "Dir::Etc::sourceparts=-",
    `Dir::State::lists=${join(work, "lists")}`,
    `Dir::Cache=${work}`,
    "APT::Sandbox::User=root",
  ].flatMap((option) => ["-o", option]);
  const run = (command: string, ...args: string[]): boolean => {
    const { status } = spawnSync(command, args, { cwd: work, stdio: ["ignore", "ignore", "inherit"] });
    if (status !== 0) console.log(`lavapipe is not unpacked: ${command} ${args[0]} ended with ${status}`);
    return status === 0;
  };
  const done =
    run("apt-get", ...options, "update", "-qq") &&
    run("apt-get", ...options, "download", "-qq", "-t", "bookworm-backports", "mesa-vulkan-drivers") &&
    run("dpkg-deb", "-x", globSync("*.deb", { cwd: work })[0]!, ".");
  if (done) {
    const driver = JSON.parse(readFileSync(join(work, "usr/share/vulkan/icd.d/lvp_icd.json"), "utf8")) as {
      ICD: { library_path: string };
    };
    const library = globSync("usr/lib/*/libvulkan_lvp.so", { cwd: work })[0]!;
    driver.ICD.library_path = join(FOLDER, library);
    writeFileSync(join(work, "lvp_icd.json"), JSON.stringify(driver));
    rmSync(FOLDER, { recursive: true, force: true });
    renameSync(work, FOLDER);
  } else rmSync(work, { recursive: true, force: true });
}
