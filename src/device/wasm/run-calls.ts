// Runs a program's calls in order, on this thread or shared out among several, and gives way to the event loop in time.

import { setImmediate } from "node:timers/promises";
import type { RunOptions } from "../device.ts";
import { byInstruction, tell } from "../read-backs.ts";
import type { SlicedCall } from "./sliced-call.ts";
import type { ThreadPool } from "./thread-pool.ts";

/** After this long a step gives way to the event loop. */
const YIELD_AFTER_MS = 10;

/** `calls`: by instruction, its phases. Throws what kernels and `ThreadPool.run` throw. */
export async function runCalls(
  calls: readonly (readonly SlicedCall[])[],
  pool: ThreadPool | undefined,
  { readBacks = [] }: RunOptions = {},
): Promise<void> {
  const threads = 1 + (pool?.helpers ?? 0);
  const dues = byInstruction(readBacks);
  let nextDue = 0;
  let yieldedAt = performance.now();
  let now = yieldedAt;
  for (const [index, phases] of calls.entries()) {
    for (const phase of phases) {
      for (let begin = 0; begin < phase.extent;) {
        const { end, sliceUnits } = phase.pieceFrom(begin, threads);
        const shared = begin + sliceUnits < end;
        if (shared) {
          const late = pool!.run(phase, begin, end, sliceUnits);
          if (late !== undefined) await late;
        } else phase.run(begin, end);
        const startedAt = now;
        now = performance.now();
        phase.learn(end - begin, now - startedAt, shared ? threads : 1);
        begin = end;
        if (now - yieldedAt < YIELD_AFTER_MS) continue;
        await setImmediate();
        yieldedAt = now = performance.now();
      }
    }
    if (dues[nextDue]?.after !== index) continue;
    // The memory is the host's own: what was computed is there.
    const pending = tell(dues[nextDue++]!);
    if (pending !== undefined) await pending;
    now = performance.now();
  }
}
