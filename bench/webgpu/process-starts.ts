// Whether processes that used the GPU end as they should, start after start, and how long one takes. Each of them trains a
// step with an update under way when it ends, destroys its device, and is to exit with 0 and by itself; one in four leaves
// its device as it is.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { summariseTimes } from "../statistics.ts";

export interface ProcessStarts {
  readonly starts: number;
  /** Those that ended by themselves, without an error. */
  readonly clean: number;
  readonly medianMs: number;
  readonly maxMs: number;
  /** How the others ended, with their last words. */
  readonly failures: readonly string[];
}

const LEAVING = 4;
/** A process that does not end is a failure after this: a cold start compiles shaders. */
const LONGEST_MS = 300_000;

/** `adapter`: index or part of the name. */
export async function measureProcessStarts(
  adapter: string | undefined,
  starts: number,
): Promise<ProcessStarts> {
  const child = fileURLToPath(
    new URL(`exits.child.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url),
  );
  const timesMs: number[] = [];
  const failures: string[] = [];
  for (let start = 0; start < starts; start++) {
    const leaves = start % LEAVING === LEAVING - 1;
    const beganMs = performance.now();
    const started = spawn(process.execPath, [child, adapter ?? "", String(leaves)], {
      stdio: ["ignore", "ignore", "pipe"],
      timeout: LONGEST_MS,
      killSignal: "SIGKILL",
    });
    const [log, [code, signal]] = await Promise.all([
      text(started.stderr),
      once(started, "close") as Promise<[number | null, string | null]>,
    ]);
    timesMs.push(performance.now() - beganMs);
    if (code !== 0)
      failures.push(`start ${start}: ended with ${code ?? signal}: ${log.trim().split("\n").at(-1)}`);
  }
  const { medianMs, maxMs } = summariseTimes(timesMs);
  return { starts, clean: starts - failures.length, medianMs, maxMs, failures };
}
