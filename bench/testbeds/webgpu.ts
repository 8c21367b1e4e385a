// A GPU, or what plays one. All cases run on one device, which keeps its pipelines; vectors are given back case by case.

import type { DeviceVector } from "../../src/device/device.ts";
import { findAdapter } from "../../src/device/webgpu/adapters.ts";
import type { ProductPrecision } from "../../src/device/webgpu/precision.ts";
import { createWebGpuDevice, type WebGpuDevice } from "../../src/device/webgpu/webgpu-device.ts";
import { chooseWebGpuKernel } from "../../src/kernels/webgpu/choose.ts";
import { describeMachine } from "../machine.ts";
import { wallTimeMs, type StepTimer, type Testbed } from "./testbed.ts";
import { measureGpuPeak } from "./webgpu-peak.ts";

export interface WebGpuTestbed extends Testbed {
  readonly gpu: WebGpuDevice;
}

/**
 * `selector`: index or part of the name. `precision` "f16": products round their operands to f16, by subgroup matrices
 * where the adapter has them. Throws SltrainError "webgpu-missing", "adapter-missing" and "feature-missing".
 */
export async function openWebGpuTestbed(
  selector?: string,
  precision: ProductPrecision = "f32",
): Promise<WebGpuTestbed> {
  const { adapter, description } = await findAdapter(selector, precision);
  const gpu = await createWebGpuDevice(adapter, { named: description, countBusyTime: true, precision });
  const { name, vendor, architecture, driver, isSoftware } = description;
  const timeMs: StepTimer =
    gpu.busyMs === undefined
      ? wallTimeMs
      : async (step) => {
          const before = gpu.busyMs!;
          await step.run();
          return gpu.busyMs! - before;
        };
  const clock = gpu.busyMs === undefined ? "host" : "gpu";
  return {
    device: "webgpu",
    machine: {
      ...describeMachine(),
      adapter: { name, vendor, architecture, driver, isSoftware, clock },
    },
    isSoftware,
    gpu,
    hasKernel: (op, call) => chooseWebGpuKernel(op, call, gpu.target) !== undefined,
    measurePeak: () => measureGpuPeak(gpu, timeMs, isSoftware),
    async use(measure) {
      const given: DeviceVector[] = [];
      const device = {
        ...gpu,
        alloc(elements: number, label: string) {
          const vector = gpu.alloc(elements, label);
          given.push(vector);
          return vector;
        },
      };
      try {
        return await measure(device, timeMs);
      } finally {
        for (const vector of given) gpu.free(vector);
      }
    },
    close: () => gpu.destroy(),
  };
}
