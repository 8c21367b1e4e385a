// The device that a rank computes on: that of its run, and of a machine's GPUs the one that is its own.

import type { TrainConfig } from "../config/schema.ts";
import type { Device } from "../device/device.ts";
import { openDevice } from "../device/open-device.ts";
import type { NamedGpu } from "../plan/gpu-placement.ts";

export interface RunDevice {
  readonly device: Device;
  /** Of `webgpu`. */
  readonly gpu?: NamedGpu;
}

/** Throws what `openDevice` throws. */
export async function openRunDevice(
  config: Pick<TrainConfig, "device" | "adapter" | "functionsPerGpu" | "precision">,
  rank: number,
  threads: number,
): Promise<RunDevice> {
  if (config.device !== "webgpu") return { device: await openDevice({ device: "wasm", threads }) };
  const { listAdapters } = await import("../device/webgpu/adapters.ts");
  const { gpuOf, usableGpus } = await import("../plan/gpu-placement.ts");
  const { precision } = config;
  const gpus = usableGpus(await listAdapters(precision), config.adapter);
  // Where there is none, opening it says what is missing.
  if (gpus.length === 0) return { device: await openDevice({ device: "webgpu", adapter: config.adapter }) };
  const { index, name, isSoftware } = gpuOf(rank, gpus, config);
  const device = await openDevice({
    device: "webgpu",
    adapter: String(index),
    precision,
    countBusyTime: true,
  });
  return { device, gpu: { index, name, isSoftware } };
}
