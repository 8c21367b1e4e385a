// The testbed that a command's flags ask for.

import { SltrainError } from "../../src/errors.ts";
import type { Testbed } from "./testbed.ts";
import { openWasmTestbed } from "./wasm.ts";

export interface TestbedRequest {
  readonly device: "wasm" | "webgpu";
  /** Of webgpu: index or part of the name. */
  readonly adapter?: string | undefined;
  /** Of wasm. */
  readonly target?: "auto" | "128";
  readonly threads?: number;
}

/** Throws SltrainError "flag-unused", "webgpu-missing" and "adapter-missing". */
export async function openTestbed({ device, adapter, target, threads }: TestbedRequest): Promise<Testbed> {
  if (device === "wasm") {
    if (adapter !== undefined)
      throw new SltrainError({
        code: "flag-unused",
        message: `expected --adapter with --device webgpu, got --adapter ${adapter} with --device wasm`,
        suggestions: ["Add --device webgpu, or leave --adapter out."],
      });
    return openWasmTestbed(target, threads);
  }
  const { openWebGpuTestbed } = await import("./webgpu.ts");
  return openWebGpuTestbed(adapter);
}
