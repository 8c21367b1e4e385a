// What the local service can hold functions to on this machine.

import { openLimits } from "../../providers/local/limits/limits.ts";
import type { Finding } from "../check.ts";

export function checkSandboxes(): Finding {
  const { memory, cpu } = openLimits();
  const words = [
    memory === "measured" ? "memory measured, not by the kernel" : `memory by ${memory}`,
    cpu === "not-enforced" ? "as much CPU as there is" : `CPU by ${cpu}`,
  ];
  // Training goes well without: only times and the moment of an OOM kill are less those of Lambda.
  return { outcome: memory === "measured" ? "info" : "ok", found: words.join(", ") };
}
