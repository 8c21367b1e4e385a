// Limits by Linux' control groups: one group a sandbox, made where this process may. v1:
// https://docs.kernel.org/admin-guide/cgroup-v1/memory.html, v2: https://docs.kernel.org/admin-guide/cgroup-v2.html.

import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Confinement, Limits, Share } from "./limits.ts";

const ROOT = "/sys/fs/cgroup";
/** Lambda's own is about this long; with the kernel's 100 ms a small function would stand still for most of it. */
const PERIOD_US = 20_000;
/** The kernel's least. */
const LEAST_QUOTA_US = 1000;
const GROUP = /^sltrain-(\d+)-\d+$/;
/** A process' last threads leave its group a moment after its end was told. */
const REMOVAL_TRIES = 20;
const REMOVAL_PAUSE_MS = 50;

/** Undefined where groups with both controllers cannot be made. */
export function cgroupV1(root = ROOT): Limits | undefined {
  const memory = writableParent(root, "memory");
  const cpu = writableParent(root, "cpu");
  if (memory === undefined || cpu === undefined) return undefined;
  return {
    ...{ memory: "cgroup-v1", cpu: "cgroup-v1" },
    confine: (pid, { memoryBytes, vcpus }) => {
      const [memoryGroup, cpuGroup] = [newGroup(memory), newGroup(cpu)];
      write(memoryGroup, "memory.limit_in_bytes", memoryBytes);
      // Absent without swap accounting.
      if (existsSync(join(memoryGroup, "memory.memsw.limit_in_bytes"))) {
        write(memoryGroup, "memory.memsw.limit_in_bytes", memoryBytes);
      }
      write(cpuGroup, "cpu.cfs_period_us", PERIOD_US);
      write(cpuGroup, "cpu.cfs_quota_us", quotaUs(vcpus));
      return confinement(pid, [memoryGroup, cpuGroup], "memory.oom_control");
    },
  };
}

export function cgroupV2(root = ROOT): Limits | undefined {
  const parent = delegatedParent(root);
  if (parent === undefined) return undefined;
  return {
    ...{ memory: "cgroup-v2", cpu: "cgroup-v2" },
    confine: (pid, { memoryBytes, vcpus }: Share) => {
      const group = newGroup(parent);
      write(group, "memory.max", memoryBytes);
      // Absent without swap.
      if (existsSync(join(group, "memory.swap.max"))) write(group, "memory.swap.max", 0);
      write(group, "cpu.max", `${quotaUs(vcpus)} ${PERIOD_US}`);
      return confinement(pid, [group], "memory.events");
    },
  };
}

function confinement(pid: number, groups: readonly string[], oomFile: string): Confinement {
  try {
    for (const group of groups) write(group, "cgroup.procs", pid);
  } catch (error) {
    // The process has ended already.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
  return {
    ranOutOfMemory: () => /^oom_kill [1-9]/m.test(readFileSync(join(groups[0]!, oomFile), "utf8")),
    release: () => {
      for (const group of groups) void removeGroup(group);
    },
  };
}

function quotaUs(vcpus: number): number {
  return Math.max(LEAST_QUOTA_US, Math.round(vcpus * PERIOD_US));
}

let made = 0;

function newGroup(parent: string): string {
  const group = join(parent, `sltrain-${process.pid}-${++made}`);
  mkdirSync(group);
  return group;
}

async function removeGroup(group: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      rmdirSync(group);
      return;
    } catch (error) {
      // What cannot be removed now is removed when a service next starts here.
      if (tries === REMOVAL_TRIES || (error as NodeJS.ErrnoException).code !== "EBUSY") return;
      await sleep(REMOVAL_PAUSE_MS);
    }
  }
}

/** In v1 each controller is a tree of its own; this process' place in it is in /proc. */
function writableParent(root: string, controller: string): string | undefined {
  const line = cgroupLines().find(([, controllers]) => controllers?.split(",").includes(controller));
  // In a container its own group may be mounted as the root.
  const candidates = [...(line ? [join(root, controller, line[2]!)] : []), join(root, controller)];
  return candidates.find((folder) => mayMakeGroups(folder));
}

/**
 * In v2 a group's controllers must be handed down by its parent, which can only hold groups then, no process: the nearest
 * ancestor that hands down both.
 */
function delegatedParent(root: string): string | undefined {
  const line = cgroupLines().find(([hierarchy]) => hierarchy === "0");
  if (line === undefined) return undefined;
  for (let folder = join(root, line[2]!); folder.startsWith(root); folder = dirname(folder)) {
    const handed = join(folder, "cgroup.subtree_control");
    if (!existsSync(handed)) continue;
    const controllers = readFileSync(handed, "utf8").split(/\s+/);
    if (controllers.includes("memory") && controllers.includes("cpu") && mayMakeGroups(folder)) return folder;
  }
  return undefined;
}

/** `hierarchy:controllers:path` each. */
function cgroupLines(): string[][] {
  return existsSync("/proc/self/cgroup")
    ? readFileSync("/proc/self/cgroup", "utf8")
        .split("\n")
        .map((line) => line.split(":"))
    : [];
}

/** Takes away what services that are gone have left. */
function mayMakeGroups(folder: string): boolean {
  try {
    accessSync(join(folder, "cgroup.procs"), constants.W_OK);
    const probe = newGroup(folder);
    rmdirSync(probe);
  } catch {
    // Not there, not ours, or read-only: each is a no.
    return false;
  }
  for (const name of readdirSync(folder)) {
    const pid = GROUP.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) void removeGroup(join(folder, name));
  }
  return true;
}

function write(group: string, file: string, value: number | string): void {
  writeFileSync(join(group, file), String(value));
}
