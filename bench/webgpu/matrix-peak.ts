// Throughput of subgroup matrices (tensor cores): multiply-accumulates of matrices that stay in registers, as many as the
// adapter can do. It is a peak, as that of multiply-adds is; a product of large matrices is a kernel's matter.
//
// The feature is an experiment of Dawn's, behind allow_unsafe_apis; on NVIDIA f16 has a toggle of its own.
// https://dawn.googlesource.com/dawn/+/refs/heads/main/docs/dawn/features/subgroup_matrix.md

import { platformBackend } from "../../src/device/webgpu/adapters.ts";
import { openDawn } from "../../src/device/webgpu/dawn.ts";
import { GpuClock } from "../../src/device/webgpu/gpu-clock.ts";
import { SUBGROUP_MATRIX_FEATURE } from "../../src/device/webgpu/subgroup-matrix.ts";
import { HALF_PRECISION_TOGGLES } from "../../src/device/webgpu/precision.ts";

/** What the adapter multiplies: an MxK by a KxN matrix, added to an MxN one. */
export interface MatrixConfig {
  readonly componentType: string;
  readonly resultType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

export interface MatrixPeak extends MatrixConfig {
  readonly tflops: number;
}

/** Independent sums of a subgroup. */
const CHAINS = 4;
const TURNS = 1024;
const WORKGROUP = 128;
const WORKGROUPS = 4096;
const SAMPLES = 6;
const ELEMENT_BYTES: Readonly<Record<string, number>> = { f16: 2, f32: 4 };

/** `subgroups` of a workgroup. Sums begin and end in memory, so that no compiler can drop the work. */
export function matrixPeakWgsl(
  { componentType, resultType, M, N, K }: MatrixConfig,
  subgroups: number,
): string {
  const chains = Array.from({ length: CHAINS }, (_, chain) => `sum${chain}`);
  return `enable chromium_experimental_subgroup_matrix;
enable subgroups;
enable f16;
@group(0) @binding(0) var<storage, read_write> factors: array<${componentType}>;
@group(0) @binding(1) var<storage, read_write> sums: array<${resultType}>;
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_id) subgroup: u32) {
  let a = subgroupMatrixLoad<subgroup_matrix_left<${componentType}, ${K}, ${M}>>(&factors, 0, false, ${K});
  let b = subgroupMatrixLoad<subgroup_matrix_right<${componentType}, ${N}, ${K}>>(&factors, 0, false, ${N});
  let base = (group.x * ${subgroups}u + subgroup) * ${CHAINS * M * N}u;
  ${chains
    .map(
      (sum, chain) =>
        `var ${sum} = subgroupMatrixLoad<subgroup_matrix_result<${resultType}, ${N}, ${M}>>(&sums, base + ${chain * M * N}u, false, ${N});`,
    )
    .join("\n  ")}
  for (var turn = 0; turn < ${TURNS}; turn++) {
    ${chains.map((sum) => `${sum} = subgroupMatrixMultiplyAccumulate(a, b, ${sum});`).join("\n    ")}
  }
  ${chains.map((sum, chain) => `subgroupMatrixStore(&sums, base + ${chain * M * N}u, ${sum}, false, ${N});`).join("\n  ")}
}`;
}

/** Of every configuration of floating point that the adapter has; empty without the feature. `adapter`: its name. */
export async function measureMatrixPeaks(adapter: string): Promise<readonly MatrixPeak[]> {
  const gpu = await openDawn(platformBackend(), { toggles: HALF_PRECISION_TOGGLES, adapter });
  const found = await gpu.requestAdapter({ powerPreference: "high-performance" });
  const needed: GPUFeatureName[] = [SUBGROUP_MATRIX_FEATURE, "subgroups", "shader-f16", "timestamp-query"];
  if (found === null || needed.some((feature) => !found.features.has(feature))) return [];
  const { subgroupMatrixConfigs = [], subgroupMinSize } = found.info as GPUAdapterInfo & {
    readonly subgroupMatrixConfigs?: readonly MatrixConfig[];
  };
  if (subgroupMinSize === undefined) return [];
  const device = await found.requestDevice({ requiredFeatures: needed });
  try {
    const peaks: MatrixPeak[] = [];
    for (const config of subgroupMatrixConfigs) {
      const { componentType, resultType, M, N, K } = config;
      if (!(componentType in ELEMENT_BYTES && resultType in ELEMENT_BYTES)) continue;
      const ms = await measureMs(device, config, WORKGROUP / subgroupMinSize);
      const flops = WORKGROUPS * (WORKGROUP / subgroupMinSize) * CHAINS * TURNS * 2 * M * N * K;
      peaks.push({ componentType, resultType, M, N, K, tflops: flops / ms / 1e9 });
    }
    return peaks;
  } finally {
    device.destroy();
  }
}

/** The shortest of some runs. */
async function measureMs(device: GPUDevice, config: MatrixConfig, subgroups: number): Promise<number> {
  const { componentType, resultType, M, N, K } = config;
  const buffer = (elements: number, type: string) =>
    device.createBuffer({ size: elements * ELEMENT_BYTES[type]!, usage: GPUBufferUsage.STORAGE });
  const factors = buffer(Math.max(M, N) * K, componentType);
  const sums = buffer(WORKGROUPS * subgroups * CHAINS * M * N, resultType);
  const pipeline = await device.createComputePipelineAsync({
    layout: "auto",
    compute: { module: device.createShaderModule({ code: matrixPeakWgsl(config, subgroups) }) },
  });
  const bindGroup = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [factors, sums].map((memory, binding) => ({ binding, resource: { buffer: memory } })),
  });
  const clock = new GpuClock(device);
  let best = Infinity;
  // The first one warms up.
  for (let sample = -1; sample < SAMPLES; sample++) {
    const timer = clock.timePass();
    const before = clock.busyMs;
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass({ timestampWrites: timer.timestampWrites });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(WORKGROUPS);
    pass.end();
    timer.resolve(encoder);
    device.queue.submit([encoder.finish()]);
    await timer.read();
    if (sample >= 0) best = Math.min(best, clock.busyMs - before);
  }
  factors.destroy();
  sums.destroy();
  return best;
}
