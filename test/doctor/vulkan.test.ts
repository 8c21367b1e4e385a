import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { checkVulkan } from "../../src/doctor/machine/vulkan.ts";
import { temporaryFolder } from "../support/cli.ts";
import { subjectOf } from "./subject.ts";

const folder = temporaryFolder();
after(folder.remove);
const vulkan = (env: Record<string, string>) => checkVulkan(subjectOf(env));

test("a loader and the driver that a variable or a data folder names are found", () => {
  const drivers = join(folder.path, "vulkan/icd.d");
  mkdirSync(drivers, { recursive: true });
  writeFileSync(join(drivers, "quick_icd.json"), "{}");
  writeFileSync(join(folder.path, "libvulkan.so.1"), "");
  const loader = { LD_LIBRARY_PATH: folder.path };
  for (const env of [{ XDG_DATA_DIRS: folder.path }, { VK_DRIVER_FILES: join(drivers, "quick_icd.json") }]) {
    const { outcome, found } = vulkan({ ...loader, ...env });
    assert.equal(outcome, "ok");
    assert.match(found, /drivers quick_icd/);
  }
  const { outcome, found } = vulkan({ ...loader, VK_DRIVER_FILES: join(folder.path, "missing.json") });
  assert.deepEqual([outcome, found], ["info", "loader, but no driver; kernels run on the CPU"]);
});
