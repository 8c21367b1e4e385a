// Memory and CPU of a sandbox's process: by cgroups where this process may make them, so that the kernel itself kills
// what takes too much and meters its share; else its memory is measured, and its CPU is its own.

import { cgroupV1, cgroupV2 } from "./cgroups.ts";
import { measuredMemory } from "./measured-memory.ts";

/** https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html: "At 1,769 MB, a function has the equivalent of one vCPU". */
const MIB_PER_VCPU = 1769;

export interface Confinement {
  /** Whether the kernel has killed for memory in it. Asked once the process has ended. */
  ranOutOfMemory(): boolean;
  /** Called once the process has ended. */
  release(): void;
}

export interface Share {
  readonly memoryBytes: number;
  /** 0.5: half of one. */
  readonly vcpus: number;
}

export interface Limits {
  readonly memory: "cgroup-v1" | "cgroup-v2" | "measured";
  readonly cpu: "cgroup-v1" | "cgroup-v2" | "not-enforced";
  /** From now on; `onExceeded` is only called where the kernel does not kill. */
  confine(pid: number, share: Share, onExceeded: () => void): Confinement;
}

export function shareOf(memoryMiB: number): Share {
  return { memoryBytes: memoryMiB * 2 ** 20, vcpus: memoryMiB / MIB_PER_VCPU };
}

/** The strictest that this machine allows. */
export function openLimits(): Limits {
  return cgroupV2() ?? cgroupV1() ?? measuredMemory;
}
