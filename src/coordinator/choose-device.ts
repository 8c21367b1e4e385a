// What a run's functions compute on, settled before anything is stored: `auto` becomes one of the two, a GPU that is not
// there is told, and who shares which is known.

import type { GpuLimits } from "../algorithms/gpu-memory.ts";
import type { AdapterDescription } from "../device/webgpu/adapters.ts";
import type { TrainConfig } from "../config/schema.ts";
import { SltrainError } from "../errors.ts";
import type { GpuShare } from "../plan/gpu-placement.ts";

export interface ChosenDevice {
  readonly device: "wasm" | "webgpu";
  /** In the machine's order; none for wasm. */
  readonly gpus: readonly GpuShare[];
  /** What each of the GPUs has at least. */
  readonly limits?: GpuLimits;
  /** Why `auto` did not take a GPU. */
  readonly fallback?: string;
}

type DeviceSettings = Pick<TrainConfig, "device" | "adapter" | "functionsPerGpu" | "provider" | "workers"> &
  Partial<Pick<TrainConfig, "precision">>;

/** Functions at AWS have no GPU, whatever this machine has. */
const isOnProcessor = ({ device, provider }: DeviceSettings): boolean =>
  device === "wasm" || (device === "auto" && provider === "lambda");

/** Throws SltrainError "webgpu-missing", "adapter-missing", "gpus-too-few" and "feature-missing"; for `auto` only what an adapter that was named is not. */
export async function chooseDevice(config: DeviceSettings): Promise<ChosenDevice> {
  if (isOnProcessor(config)) return { device: "wasm", gpus: [] };
  const { device, adapter: selector, precision } = config;
  // Loaded where it is wanted: Dawn takes its time.
  const { findAdapter, listAdapters } = await import("../device/webgpu/adapters.ts");
  const { refuseWithoutHalfPrecision } = await import("../device/webgpu/precision.ts");
  const { shareGpus, usableGpus } = await import("../plan/gpu-placement.ts");
  try {
    // Says what is missing.
    await findAdapter(selector);
  } catch (error) {
    if (device === "webgpu" || selector !== undefined || !(error instanceof SltrainError)) throw error;
    return { device: "wasm", gpus: [], fallback: error.message };
  }
  const gpus = usableGpus(await listAdapters(precision), selector);
  const [first] = gpus;
  if (device === "auto" && first?.isSoftware === true)
    return {
      device: "wasm",
      gpus: [],
      fallback: `${first.name} is software, which only --device webgpu takes`,
    };
  const shares = shareGpus(config.workers, gpus, config);
  const used = gpus.filter(({ index }) => shares.some((share) => share.index === index));
  if (precision === "f16") for (const { name, features } of used) refuseWithoutHalfPrecision(name, features);
  return { device: "webgpu", gpus: shares, limits: leastLimits(used) };
}

function leastLimits(gpus: readonly AdapterDescription[]): GpuLimits {
  const least = (limit: "maxBufferSize" | "maxStorageBufferBindingSize") =>
    Math.min(...gpus.map(({ limits }) => limits[limit]!));
  return {
    name: gpus[0]!.name,
    maxBufferSize: least("maxBufferSize"),
    maxStorageBufferBindingSize: least("maxStorageBufferBindingSize"),
  };
}
