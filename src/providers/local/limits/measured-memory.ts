// Where no group can be made: the memory of a sandbox's process, looked at now and then.

import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { promisify } from "node:util";
import type { Limits } from "./limits.ts";

const LOOK_EVERY_MS = 50;
const run = promisify(execFile);

export const measuredMemory: Limits = {
  ...{ memory: "measured", cpu: "not-enforced" },
  confine: (pid, { memoryBytes }, onExceeded) => {
    let exceeded = false;
    const timer = setInterval(() => {
      void residentBytes(pid).then((bytes) => {
        if (bytes <= memoryBytes || exceeded) return;
        exceeded = true;
        onExceeded();
      });
    }, LOOK_EVERY_MS);
    return { ranOutOfMemory: () => exceeded, release: () => clearInterval(timer) };
  },
};

/** What a process holds now; 0 once it has ended. */
async function residentBytes(pid: number): Promise<number> {
  if (existsSync("/proc/self/status")) return statusBytes(pid, "VmRSS");
  const { stdout } = await run("ps", ["-o", "rss=", "-p", String(pid)]).catch(() => ({ stdout: "0" }));
  return Number(stdout) * 1024;
}

/** The most that it has held; 0 once it has ended, or where the system does not tell. */
export function peakResidentBytes(pid: number): number {
  return statusBytes(pid, "VmHWM");
}

/** https://man7.org/linux/man-pages/man5/proc_pid_status.5.html */
function statusBytes(pid: number, field: "VmRSS" | "VmHWM"): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    return Number(new RegExp(`^${field}:\\s*(\\d+) kB$`, "m").exec(status)?.[1] ?? 0) * 1024;
  } catch {
    // It has ended.
    return 0;
  }
}
