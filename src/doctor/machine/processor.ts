// What WebAssembly makes of this processor: tried and measured in this process.

import { Worker } from "node:worker_threads";
import { joinsVectors, measureMultiplyAdds } from "../../device/wasm/peak.ts";
import { probeWasmTarget } from "../../device/wasm/target.ts";
import type { Finding } from "../check.ts";

/** Throws "simd-missing" where kernels cannot run at all. */
export async function checkSimd(): Promise<Finding> {
  const { relaxedSimd } = await probeWasmTarget();
  if (relaxedSimd) return { outcome: "ok", found: "128-bit, with relaxed multiply-add" };
  return {
    outcome: "warning",
    found: "128-bit, without relaxed multiply-add: products take two instructions",
    remedies: ["Use Node 22 or newer on a processor with FMA."],
  };
}

/** Throws "simd-missing". */
export async function checkRevectoriser(): Promise<Finding> {
  const measured = measureMultiplyAdds(await probeWasmTarget());
  const { fma128Gflops, fma256Gflops } = measured;
  const rate = `${Math.max(fma128Gflops, fma256Gflops).toFixed(0)} GFLOP/s a core`;
  if (joinsVectors(measured)) {
    const ratio = fma256Gflops / fma128Gflops;
    return {
      outcome: "ok",
      found: `joins vectors to 256 bits: ${ratio.toFixed(1)} times the speed, ${rate}`,
    };
  }
  if (process.arch !== "x64") return { outcome: "ok", found: `${rate}; vectors are 128 bits wide here` };
  return {
    outcome: "warning",
    found: `joins no vectors to 256 bits here: ${rate}`,
    remedies: ["Use Node 24 or newer on a processor with AVX2."],
  };
}

/** A thread writes to memory that it shares with this one, as threads of kernels do. */
export async function checkThreads(): Promise<Finding> {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const code = `const { workerData } = require("node:worker_threads");
    Atomics.store(new Int32Array(workerData.buffer), 0, 1);`;
  const thread = new Worker(code, { eval: true, workerData: memory });
  await new Promise((resolve, reject) => thread.once("exit", resolve).once("error", reject));
  const shared = new Int32Array(memory.buffer)[0] === 1;
  if (shared) return { outcome: "ok", found: "share WebAssembly's memory" };
  return {
    outcome: "failing",
    found: "do not share WebAssembly's memory",
    remedies: ["Use Node itself: other runtimes may not share memory between threads."],
  };
}
