// What a process holds of this machine's memory, as Linux counts it (proc_pid_smaps(5)).

import { readFileSync } from "node:fs";

export interface Resident {
  /** All its pages, those of files that other processes have mapped as well included. */
  readonly resident: number;
  /** Its own: what another process of the kind adds. */
  readonly anonymous: number;
  /** Its share of each page: the sum over all processes is what they hold together. */
  readonly proportional: number;
}

/** In MiB; zeros of a process that has ended. */
export function residentMiB(pid: number): Resident {
  let text = "";
  try {
    text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  } catch (error) {
    if (!["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
  const mib = (name: string): number =>
    Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(text)?.[1] ?? 0) / 1024;
  return { resident: mib("Rss"), anonymous: mib("Anonymous"), proportional: mib("Pss") };
}
