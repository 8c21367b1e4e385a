// The device that a run asks for. WebGPU's part is loaded only where it is wanted: functions on processors have no use
// for it.

import { SltrainError } from "../errors.ts";
import type { Device } from "./device.ts";
import type { ProductPrecision } from "./webgpu/precision.ts";
import { createWasmDevice } from "./wasm/wasm-device.ts";

export interface DeviceRequest {
  /** `auto`: the GPU where there is one, and not a processor that plays one; else the processor. */
  readonly device: "wasm" | "webgpu" | "auto";
  /** Index or part of the name; the first adapter unless given. Nothing to `wasm`. */
  readonly adapter?: string | undefined;
  /** Threads that share `wasm`'s kernels; the others have no use for them. */
  readonly threads?: number | undefined;
  /** Whether a GPU counts its time (`Device.busyMs`), which costs every step two timestamps and their way back. */
  readonly countBusyTime?: boolean | undefined;
  /** What `webgpu`'s products round their operands to; "f32" unless given. */
  readonly precision?: ProductPrecision | undefined;
}

/** Throws SltrainError "webgpu-missing", "adapter-missing" and "feature-missing", the first two for `auto` only where an adapter was named that is not there. */
export async function openDevice(request: DeviceRequest): Promise<Device> {
  const { device, adapter: selector, threads = 1, countBusyTime = false, precision = "f32" } = request;
  if (device === "wasm") return createWasmDevice({ threads });
  const { findAdapter } = await import("./webgpu/adapters.ts");
  try {
    const { adapter, description } = await findAdapter(selector, precision);
    if (device === "webgpu" || !description.isSoftware) {
      const { createWebGpuDevice } = await import("./webgpu/webgpu-device.ts");
      return await createWebGpuDevice(adapter, { named: description, countBusyTime, precision });
    }
  } catch (error) {
    const nothingThere =
      error instanceof SltrainError && ["webgpu-missing", "adapter-missing"].includes(error.code);
    if (device === "webgpu" || selector !== undefined || !nothingThere) throw error;
  }
  return createWasmDevice({ threads });
}
