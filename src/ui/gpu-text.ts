// GPUs, and who computes on them, for people.

import type { DeviceAdapter } from "../device/device.ts";
import type { GpuShare } from "../plan/gpu-placement.ts";
import type { GpuUse } from "../run/records.ts";
import { formatPercent } from "../units.ts";

export function adapterText({ name, isSoftware }: DeviceAdapter): string {
  return isSoftware ? `${name} (software)` : name;
}

/** "GPU 0, NVIDIA H100: workers 0 to 3". */
export function gpuLine(gpu: GpuShare): string {
  return `GPU ${gpu.index}, ${adapterText(gpu)}: ${ranksText(gpu.ranks)}`;
}

/** The same with what was made of it. */
export function gpuUseLine(gpu: GpuUse): string {
  const { busyShare } = gpu;
  if (busyShare === null) return gpuLine(gpu);
  // Passes that took turns are counted whole, each with the other's share of it.
  return busyShare > 1
    ? `${gpuLine(gpu)}, busy all the time, with passes that overlap (${formatPercent(busyShare)} together)`
    : `${gpuLine(gpu)}, busy for ${formatPercent(busyShare)} of their time`;
}

/** Placement gives a GPU a stretch of ranks, but where workers outnumber what fits. */
function ranksText(ranks: readonly number[]): string {
  const [first, last] = [ranks[0]!, ranks.at(-1)!];
  if (ranks.length === 1) return `worker ${first}`;
  const isStretch = last - first === ranks.length - 1;
  return `workers ${isStretch && ranks.length > 2 ? `${first} to ${last}` : ranks.join(", ")}`;
}
