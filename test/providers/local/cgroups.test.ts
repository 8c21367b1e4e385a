// Control groups of version 2, as files: what the kernel is told. Version 1 is tested with real functions, where it is.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { cgroupV2 } from "../../../src/providers/local/limits/cgroups.ts";
import { shareOf } from "../../../src/providers/local/limits/limits.ts";
import { temporaryFolder } from "../../support/cli.ts";

const folder = temporaryFolder();
after(folder.remove);

function hierarchy(name: string, handedDown: string): string {
  const root = join(folder.path, name);
  mkdirSync(root);
  writeFileSync(join(root, "cgroup.subtree_control"), handedDown);
  writeFileSync(join(root, "cgroup.procs"), "");
  return root;
}

test("a function of half a vCPU gets that share, its memory, and no other than that of its own group", () => {
  const root = hierarchy("delegated", "cpu io memory pids\n");
  const limits = cgroupV2(root);
  assert.deepEqual([limits?.memory, limits?.cpu], ["cgroup-v2", "cgroup-v2"]);
  const confinement = limits!.confine(4711, shareOf(884.5), () =>
    assert.fail("it is the kernel that ends it"),
  );
  const [group] = readdirSync(root).filter((name) => name.startsWith(`sltrain-${process.pid}-`));
  const read = (file: string) => readFileSync(join(root, group!, file), "utf8");
  assert.deepEqual(
    [read("memory.max"), read("cpu.max"), read("cgroup.procs")],
    ["927465472", "10000 20000", "4711"],
  );
  writeFileSync(join(root, group!, "memory.events"), "low 0\noom 1\noom_kill 0\n");
  assert.equal(confinement.ranOutOfMemory(), false);
  writeFileSync(join(root, group!, "memory.events"), "low 0\noom 1\noom_kill 1\n");
  assert.equal(confinement.ranOutOfMemory(), true);
});

test("a group that does not hand down both controllers is no parent", () => {
  assert.equal(cgroupV2(hierarchy("memory-only", "memory\n")), undefined);
  assert.equal(cgroupV2(join(folder.path, "nowhere")), undefined);
});

test("what a service that is gone has left is taken away, and what one that lives has made is not", () => {
  const root = hierarchy("left", "cpu memory\n");
  const [gone, alive] = [`sltrain-${2 ** 22}-1`, `sltrain-${process.pid}-9999`];
  for (const name of [gone, alive]) mkdirSync(join(root, name));
  cgroupV2(root);
  assert.deepEqual(
    readdirSync(root).filter((name) => name.startsWith("sltrain-")),
    [alive],
  );
});
