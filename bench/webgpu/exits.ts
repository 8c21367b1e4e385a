// Whether processes that used a GPU end as they should: `node bench/webgpu/exits.ts [starts [adapter]]`. Each of them
// trains a step with an update under way when it ends, destroys its device, and is to exit with 0 and by itself; one in
// four leaves its device as it is. Prints one JSON line; exits with 1 if one process did not.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { summariseTimes } from "../statistics.ts";

const CHILD = fileURLToPath(new URL("exits.child.ts", import.meta.url));
/** A cold start compiles shaders. */
const TIMEOUT_MS = 300_000;

const [starts = "100", adapter = ""] = process.argv.slice(2);
const timesMs: number[] = [];
const failures: { readonly start: number; readonly code: number | null; readonly signal: string | null }[] =
  [];
for (let start = 0; start < Number(starts); start++) {
  const beganMs = performance.now();
  const leaves = start % 4 === 3;
  const child = spawn(process.execPath, [CHILD, adapter, String(leaves)], {
    stdio: ["ignore", "ignore", "ignore"],
    timeout: TIMEOUT_MS,
  });
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  timesMs.push(performance.now() - beganMs);
  if (code !== 0) failures.push({ start, code, signal });
}
console.log(JSON.stringify({ starts: timesMs.length, failures, times: summariseTimes(timesMs) }));
process.exitCode = failures.length === 0 ? 0 : 1;
