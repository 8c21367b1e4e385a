// Dawn's experimental subgroup matrices (tensor cores), of which @webgpu/types knows nothing.
// Source: https://dawn.googlesource.com/dawn/+/main/docs/tint/extensions/experimental_subgroup_matrix.md

import type { WebGpuTarget } from "../../kernels/webgpu/kernel.ts";

export const SUBGROUP_MATRIX_FEATURE = "chromium-experimental-subgroup-matrix" as GPUFeatureName;

interface SubgroupMatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** The largest matrices of f16 with sums of f32 that the adapter tells of; nothing if there are none. */
export function subgroupMatrixOf(info: GPUAdapterInfo): Pick<WebGpuTarget, "subgroupMatrix"> {
  const { subgroupMatrixConfigs = [] } = info as { subgroupMatrixConfigs?: Iterable<SubgroupMatrixConfig> };
  const [largest] = [...subgroupMatrixConfigs]
    .filter((config) => config.componentType === "f16" && config.resultComponentType === "f32")
    .sort((a, b) => b.M * b.N * b.K - a.M * a.N * a.K);
  return largest === undefined ? {} : { subgroupMatrix: { m: largest.M, n: largest.N, k: largest.K } };
}
