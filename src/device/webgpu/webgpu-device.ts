// The WebGPU device: every named vector is a buffer, the arena is one, and a step is one compute pass.

import { SltrainError, assert } from "../../errors.ts";
import { elementCount } from "../../kernels/tensor.ts";
import { chooseWebGpuKernel } from "../../kernels/webgpu/choose.ts";
import type { WebGpuTarget } from "../../kernels/webgpu/kernel.ts";
import { bindVectors } from "../bind-vectors.ts";
import type { Device, DeviceAdapter, DeviceVector, Plan, Program, Step, ValueId } from "../device.ts";
import type { MemoryRange } from "./bind.ts";
import { alignBytes, compileProgram, type Dispatch, type KernelChoice } from "./compile.ts";
import { GpuClock } from "./gpu-clock.ts";
import { Pipelines } from "./pipelines.ts";

const FLOAT_BYTES = 4;
const USED_FEATURES: readonly GPUFeatureName[] = ["shader-f16", "subgroups", "timestamp-query"];

export interface WebGpuDevice extends Device {
  readonly target: WebGpuTarget;
  readonly adapterInfo: GPUAdapterInfo;
  /**
   * ms that the GPU has worked on steps, by its own clock. Undefined unless asked for (`countBusyTime`), and where the
   * adapter has no timestamp queries.
   */
  readonly busyMs: number | undefined;
  /** `kernelFor` stands in for dispatch, for tests and benches. */
  compile(
    program: Program,
    plan: Plan,
    vectors: Readonly<Record<string, DeviceVector>>,
    options?: { readonly kernelFor?: KernelChoice },
  ): Promise<Step>;
  /** Gives a vector's memory back before the device goes. */
  free(vector: DeviceVector): void;
}

interface WebGpuVector extends DeviceVector {
  readonly buffer: GPUBuffer;
}

export interface WebGpuDeviceOptions {
  /** What it calls its adapter; default: what the adapter says of itself. */
  readonly named?: DeviceAdapter;
  /** Costs every step two timestamps and their way back. */
  readonly countBusyTime?: boolean;
}

/** Takes all that the adapter offers of what kernels can use. */
export async function createWebGpuDevice(
  adapter: GPUAdapter,
  {
    named = { name: adapter.info.device, isSoftware: adapter.info.isFallbackAdapter },
    countBusyTime = false,
  }: WebGpuDeviceOptions = {},
): Promise<WebGpuDevice> {
  const features = USED_FEATURES.filter((feature) => adapter.features.has(feature));
  const { limits } = adapter;
  const gpu = await adapter.requestDevice({
    requiredFeatures: features,
    requiredLimits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
      maxComputeWorkgroupSizeY: limits.maxComputeWorkgroupSizeY,
    },
  });
  const { subgroupMinSize, subgroupMaxSize } = adapter.info;
  const target: WebGpuTarget = {
    subgroupSize:
      features.includes("subgroups") && subgroupMinSize === subgroupMaxSize ? subgroupMinSize : undefined,
    shaderF16: features.includes("shader-f16"),
    workgroupBytes: gpu.limits.maxComputeWorkgroupStorageSize,
    workgroupInvocations: gpu.limits.maxComputeInvocationsPerWorkgroup,
  };
  const clock = countBusyTime && features.includes("timestamp-query") ? new GpuClock(gpu) : undefined;
  const pipelines = new Pipelines(gpu);
  const allocated = new WeakSet<DeviceVector>();
  const own = (vector: DeviceVector): WebGpuVector => {
    assert(allocated.has(vector), `vector ${vector.label} is not of this webgpu device`);
    return vector as WebGpuVector;
  };
  let running = false;

  const STORAGE = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const createBuffer = (sizeBytes: number, label: string, usage = STORAGE): GPUBuffer => {
    if (sizeBytes > gpu.limits.maxBufferSize)
      throw new SltrainError({
        code: "out-of-memory",
        message: `webgpu device: ${label} needs ${sizeBytes} bytes but the adapter's largest buffer has ${gpu.limits.maxBufferSize}`,
      });
    return gpu.createBuffer({ size: alignBytes(sizeBytes), usage, label });
  };
  /** Memory that steps use one after the other, and that grows with what they need. */
  const growing = (label: string) => {
    let buffer: GPUBuffer | undefined;
    return (sizeBytes: number): GPUBuffer =>
      buffer !== undefined && buffer.size >= sizeBytes ? buffer : (buffer = createBuffer(sizeBytes, label));
  };
  const reserveArena = growing("arena");
  const reserveScratch = growing("scratch");

  async function compile(
    program: Program,
    plan: Plan,
    vectors: Readonly<Record<string, DeviceVector>>,
    { kernelFor = chooseWebGpuKernel }: { readonly kernelFor?: KernelChoice } = {},
  ): Promise<Step> {
    const bound = bindVectors("webgpu", program, vectors, own);
    const arenaBytes = plan.arenaElements * FLOAT_BYTES;
    const arena = reserveArena(arenaBytes);
    const rangeOf = (id: ValueId): MemoryRange => {
      const { place, type } = program.values[id]!;
      const [buffer, offset] =
        place.kind === "arena" ? [arena, plan.offsets[id]!] : [bound.get(place.vector)!.buffer, place.offset];
      return { buffer, offset: offset * FLOAT_BYTES, size: alignBytes(elementCount(type) * FLOAT_BYTES) };
    };
    const { dispatches, kernelNames } = await compileProgram(program, {
      ...{ device: gpu, target, kernelFor, pipelines, rangeOf, reserveScratch },
    });
    return {
      arenaBytes,
      kernelNames,
      async run() {
        assert(!running, "two steps of one webgpu device run at the same time");
        running = true;
        try {
          const encoder = gpu.createCommandEncoder();
          const timer = clock?.timePass();
          encode(encoder, dispatches, timer?.timestampWrites);
          timer?.resolve(encoder);
          gpu.queue.submit([encoder.finish()]);
          await Promise.all([gpu.queue.onSubmittedWorkDone(), timer?.read()]);
        } finally {
          running = false;
        }
      },
    };
  }

  return {
    name: "webgpu",
    adapter: { name: named.name, isSoftware: named.isSoftware },
    target,
    adapterInfo: adapter.info,
    get busyMs() {
      return clock?.busyMs;
    },
    alloc(elements, label) {
      const vector: WebGpuVector = { elements, label, buffer: createBuffer(elements * FLOAT_BYTES, label) };
      allocated.add(vector);
      return vector;
    },
    async readF32(vector) {
      const { buffer, elements } = own(vector);
      const sizeBytes = elements * FLOAT_BYTES;
      const staging = createBuffer(sizeBytes, "staging", GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
      const encoder = gpu.createCommandEncoder();
      encoder.copyBufferToBuffer(buffer, 0, staging, 0, sizeBytes);
      gpu.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ, 0, sizeBytes);
      const values = new Float32Array(staging.getMappedRange(0, sizeBytes).slice(0));
      staging.destroy();
      return values;
    },
    write(vector, offset, data) {
      const { buffer, elements, label } = own(vector);
      assert(
        offset >= 0 && offset + data.length <= elements,
        `write of ${data.length} elements at ${offset} into ${label}, which has ${elements}`,
      );
      gpu.queue.writeBuffer(buffer, offset * FLOAT_BYTES, data);
    },
    compile,
    free: (vector) => own(vector).buffer.destroy(),
    destroy: () => gpu.destroy(),
  };
}

function encode(
  encoder: GPUCommandEncoder,
  dispatches: readonly Dispatch[],
  timestampWrites: GPUComputePassTimestampWrites | undefined,
): void {
  const pass = encoder.beginComputePass(timestampWrites && { timestampWrites });
  let current: GPUComputePipeline | undefined;
  for (const { pipeline, bindGroup, workgroups } of dispatches) {
    if (pipeline !== current) pass.setPipeline((current = pipeline));
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(...workgroups);
  }
  pass.end();
}
