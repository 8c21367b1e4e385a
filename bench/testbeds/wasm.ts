// The processor: kernels in WebAssembly.

import { measurePeak } from "../../src/device/wasm/peak.ts";
import { narrowWasmTarget, probeWasmTarget } from "../../src/device/wasm/target.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { chooseWasmKernel } from "../../src/kernels/wasm/choose.ts";
import { describeMachine } from "../machine.ts";
import { wallTimeMs, type Testbed } from "./testbed.ts";

/** "128": without V8's joining of vectors. Only in a process that has not compiled anything with it. */
export async function openWasmTestbed(kind: "auto" | "128" = "auto", threads = 1): Promise<Testbed> {
  const target = kind === "128" ? narrowWasmTarget() : await probeWasmTarget();
  return {
    device: "wasm",
    machine: { ...describeMachine(), tile: target.wide ? "6x16" : "6x8" },
    isSoftware: false,
    hasKernel: (op, call) => chooseWasmKernel(op, call, target) !== undefined,
    measurePeak: () => measurePeak(target),
    async use(measure) {
      const device = await createWasmDevice({ target, threads });
      try {
        return await measure(device, wallTimeMs);
      } finally {
        device.destroy();
      }
    },
    close: () => {},
  };
}
