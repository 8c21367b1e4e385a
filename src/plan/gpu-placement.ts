// Which GPU each rank's function computes on. Every worker computes it for itself, from the run's settings and the
// machine's adapters, in their order.

import { type AdapterDescription, isMeant, reachedAs } from "../device/webgpu/adapters.ts";
import { SltrainError } from "../errors.ts";

export interface GpuSettings {
  /** Index, or a part of the name, cases aside. */
  readonly adapter?: string | undefined;
  /** Without it all share the first GPU that may be used. */
  readonly functionsPerGpu?: number | undefined;
}

/** What tells a machine's GPUs apart. */
export type NamedGpu = Pick<AdapterDescription, "index" | "name" | "isSoftware">;

/** A GPU, and who computes on it. */
export interface GpuShare extends NamedGpu {
  readonly ranks: readonly number[];
}

/**
 * Those that `adapter` means, else those that are no software, else what there is. Of equal names only the first: Dawn
 * reaches no other.
 */
export function usableGpus(
  adapters: readonly AdapterDescription[],
  selector: string | undefined,
): readonly AdapterDescription[] {
  const reached = adapters.filter((adapter) => reachedAs(adapter.name, adapters) === adapter);
  if (selector !== undefined) return reached.filter((adapter) => isMeant(adapter, selector));
  const hardware = reached.filter(({ isSoftware }) => !isSoftware);
  return hardware.length > 0 ? hardware : reached;
}

/** `gpus`: what `usableGpus` found, at least one. More ranks than fit begin again at the first, as after a resize. */
export function gpuOf(
  rank: number,
  gpus: readonly AdapterDescription[],
  { functionsPerGpu }: GpuSettings,
): AdapterDescription {
  const position = functionsPerGpu === undefined ? 0 : Math.floor(rank / functionsPerGpu);
  return gpus[position % gpus.length]!;
}

/** Throws SltrainError "gpus-too-few" naming how many functions fit. */
export function shareGpus(
  workers: number,
  gpus: readonly AdapterDescription[],
  settings: GpuSettings,
): readonly GpuShare[] {
  const { functionsPerGpu } = settings;
  if (functionsPerGpu !== undefined && workers > functionsPerGpu * gpus.length)
    throw new SltrainError({
      code: "gpus-too-few",
      message:
        `--functions-per-gpu: expected GPUs for ${workers} workers with ${functionsPerGpu} on each, ` +
        `got ${gpus.length} for ${functionsPerGpu * gpus.length}: ${gpus.map(({ name }) => name).join(", ")}`,
      suggestions: [
        `Use --workers ${functionsPerGpu * gpus.length} or fewer, or --functions-per-gpu ${Math.ceil(workers / gpus.length)}.`,
        "`sltrain devices` lists the GPUs; of several with one name Dawn reaches the first alone.",
      ],
    });
  const ranks = Array.from({ length: workers }, (_, rank) => rank);
  return gpus
    .map((gpu) => ({
      ...{ index: gpu.index, name: gpu.name, isSoftware: gpu.isSoftware },
      ranks: ranks.filter((rank) => gpuOf(rank, gpus, settings) === gpu),
    }))
    .filter((share) => share.ranks.length > 0);
}
