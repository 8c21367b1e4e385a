// What is asked of an adapter, and what kernels are told of the device that it gives.

import type { WebGpuTarget } from "../../kernels/webgpu/kernel.ts";
import { type ProductPrecision, refuseWithoutHalfPrecision } from "./precision.ts";
import { SUBGROUP_MATRIX_FEATURE, subgroupMatrixOf } from "./subgroup-matrix.ts";

const USED_FEATURES: readonly GPUFeatureName[] = ["shader-f16", "subgroups", "timestamp-query"];

/** A device has only WebGPU's defaults of what is not asked for, far below what a GPU can do. */
const USED_LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
] as const;

export type GpuLimitsAsked = Readonly<Record<(typeof USED_LIMITS)[number], number>>;

export interface GpuRequest {
  /** What errors call the adapter. */
  readonly name: string;
  readonly precision: ProductPrecision;
  /** At most the adapter's, which are the default. */
  readonly limits?: GpuLimitsAsked | undefined;
}

export interface RequestedGpu {
  readonly gpu: GPUDevice;
  readonly target: WebGpuTarget;
}

/** Takes all features that kernels can use. Throws SltrainError "feature-missing" if the adapter lacks f16 that is asked for. */
export async function requestGpu(
  adapter: GPUAdapter,
  { name, precision, limits = adapter.limits }: GpuRequest,
): Promise<RequestedGpu> {
  if (precision === "f16") refuseWithoutHalfPrecision(name, adapter.features);
  const wanted = precision === "f16" ? [...USED_FEATURES, SUBGROUP_MATRIX_FEATURE] : USED_FEATURES;
  const features = wanted.filter((feature) => adapter.features.has(feature));
  const gpu = await adapter.requestDevice({
    requiredFeatures: features,
    requiredLimits: Object.fromEntries(USED_LIMITS.map((limit) => [limit, limits[limit]])),
  });
  const { subgroupMinSize, subgroupMaxSize } = adapter.info;
  const target: WebGpuTarget = {
    subgroupSize:
      features.includes("subgroups") && subgroupMinSize === subgroupMaxSize ? subgroupMinSize : undefined,
    shaderF16: features.includes("shader-f16"),
    workgroupBytes: gpu.limits.maxComputeWorkgroupStorageSize,
    workgroupInvocations: gpu.limits.maxComputeInvocationsPerWorkgroup,
    storageBuffers: gpu.limits.maxStorageBuffersPerShaderStage,
    precision,
    ...(features.includes(SUBGROUP_MATRIX_FEATURE) && subgroupMatrixOf(adapter.info)),
  };
  return { gpu, target };
}
