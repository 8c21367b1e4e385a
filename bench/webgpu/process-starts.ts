// Whether processes that use the GPU end as they should, start after start, and how long one takes.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { summariseTimes } from "../statistics.ts";
import type { GpuBenchPlan } from "./plan.ts";

export interface ProcessStarts {
  readonly starts: number;
  /** Those that printed the loss of a step and ended by themselves, without an error. */
  readonly clean: number;
  readonly medianMs: number;
  readonly maxMs: number;
  /** Distinct losses: one, for the step is the same. */
  readonly losses: readonly string[];
  /** The last words of those that were not clean. */
  readonly failures: readonly string[];
}

/** A process that does not end is a failure after this. */
const LONGEST_MS = 60_000;

export async function measureProcessStarts(
  adapter: string,
  { processStarts: starts, batchSize }: Pick<GpuBenchPlan, "processStarts" | "batchSize">,
): Promise<ProcessStarts> {
  const script = fileURLToPath(
    new URL(`one-step-process.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url),
  );
  const timesMs: number[] = [];
  const failures: string[] = [];
  const losses = new Set<string>();
  for (let i = 0; i < starts; i++) {
    const beganMs = performance.now();
    const child = spawn(process.execPath, [script, adapter, String(batchSize)], {
      stdio: ["ignore", "pipe", "pipe"],
      timeout: LONGEST_MS,
      killSignal: "SIGKILL",
    });
    const [loss, log, [code, signal]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "close") as Promise<[number | null, string | null]>,
    ]);
    timesMs.push(performance.now() - beganMs);
    if (code === 0 && Number.isFinite(Number.parseFloat(loss))) losses.add(loss.trim());
    else failures.push(`start ${i}: ended with ${code ?? signal}: ${log.trim().split("\n").at(-1)}`);
  }
  const { medianMs, maxMs } = summariseTimes(timesMs);
  return { starts, clean: starts - failures.length, medianMs, maxMs, losses: [...losses], failures };
}
