// The WebGPU device: every named vector is a buffer, the arena is one, and a step without read-backs is one
// submission.

import { assert } from "../../errors.ts";
import { elementCount } from "../../kernels/tensor.ts";
import { chooseWebGpuKernel } from "../../kernels/webgpu/choose.ts";
import type { WebGpuTarget } from "../../kernels/webgpu/kernel.ts";
import { formatBytes } from "../../units.ts";
import { bindVectors } from "../bind-vectors.ts";
import type {
  Device,
  DeviceAdapter,
  DeviceVector,
  Plan,
  Program,
  ReadBack,
  Step,
  ValueId,
} from "../device.ts";
import type { MemoryRange } from "./bind.ts";
import { alignBytes, compileProgram, type KernelChoice } from "./compile.ts";
import { GpuClock } from "./gpu-clock.ts";
import { DeviceHealth, outOfMemory } from "./health.ts";
import { FLOAT_BYTES, WebGpuMemory } from "./memory.ts";
import { Pipelines } from "./pipelines.ts";
import type { ProductPrecision } from "./precision.ts";
import { type GpuLimitsAsked, requestGpu } from "./request-gpu.ts";
import { Staging, type Stretch } from "./staging.ts";
import { submitRun } from "./submit.ts";
import { timeCallMs, tunedChoice } from "./tuned-choice.ts";

/** Enough for the GPU to have work while the host gets to hear of results; few enough to hear of them soon. */
const RUNS_UNDER_WAY = 16;

export interface WebGpuDevice extends Device {
  readonly target: WebGpuTarget;
  readonly adapterInfo: GPUAdapterInfo;
  readonly limits: GPUSupportedLimits;
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

export interface WebGpuDeviceOptions {
  /** What it calls its adapter; default: what the adapter says of itself. */
  readonly named?: DeviceAdapter;
  /** Costs every step two timestamps and their way back. */
  readonly countBusyTime?: boolean;
  /**
   * "f16" lets products round their operands to f16, with subgroup matrices where the adapter has them, which it shows only if
   * Dawn was opened with the toggle allow_unsafe_apis. Default: "f32".
   */
  readonly precision?: ProductPrecision;
  /** At most the adapter's; default: all that it has. */
  readonly limits?: GpuLimitsAsked;
  /**
   * Folder that remembers which kernels of equal bits were the fastest; without one, shapes alone choose. Default:
   * SLTRAIN_AUTOTUNE_CACHE, unless the adapter is a software one.
   */
  readonly tuningFolder?: string;
}

/** Takes all that the adapter offers of what kernels can use. Throws SltrainError "feature-missing" if it lacks f16 that is asked for. */
export async function createWebGpuDevice(
  adapter: GPUAdapter,
  {
    named = { name: adapter.info.device, isSoftware: adapter.info.isFallbackAdapter },
    countBusyTime = false,
    precision = "f32",
    limits,
    tuningFolder = named.isSoftware ? "" : (process.env["SLTRAIN_AUTOTUNE_CACHE"] ?? ""),
  }: WebGpuDeviceOptions = {},
): Promise<WebGpuDevice> {
  const { gpu, target } = await requestGpu(adapter, { name: named.name, precision, limits });
  const health = new DeviceHealth(gpu);
  const clock = countBusyTime && gpu.features.has("timestamp-query") ? new GpuClock(gpu) : undefined;
  const pipelines = new Pipelines(gpu);
  const memory = new WebGpuMemory(gpu, health);
  const staging = new Staging(gpu);
  const reserveArena = memory.shared("arena");
  const reserveScratch = memory.shared("scratch");
  const stretchOf = ({ vector, begin, end }: Pick<ReadBack, "vector" | "begin" | "end">): Stretch => ({
    buffer: memory.own(vector).buffer,
    offsetBytes: begin * FLOAT_BYTES,
    to: memory.mirror(vector).subarray(begin, end),
  });
  let underWay = 0;

  async function choiceFor(program: Program): Promise<KernelChoice> {
    if (tuningFolder === "") return chooseWebGpuKernel;
    const { vendor, architecture, device: name, description } = adapter.info;
    return tunedChoice(program, {
      ...{ target, folder: tuningFolder, adapter: [vendor, architecture, name, description].join(" ") },
      timeMs: (...call) => timeCallMs(device, ...call),
    });
  }

  async function compile(
    program: Program,
    plan: Plan,
    vectors: Readonly<Record<string, DeviceVector>>,
    options: { readonly kernelFor?: KernelChoice } = {},
  ): Promise<Step> {
    const kernelFor = options.kernelFor ?? (await choiceFor(program));
    const bound = bindVectors("webgpu", program, vectors, (vector) => memory.own(vector));
    const arenaBytes = plan.arenaElements * FLOAT_BYTES;
    const arena = reserveArena(arenaBytes);
    const rangeOf = (id: ValueId): MemoryRange => {
      const { place, type, name } = program.values[id]!;
      const [buffer, offset] =
        place.kind === "arena" ? [arena, plan.offsets[id]!] : [bound.get(place.vector)!.buffer, place.offset];
      const size = alignBytes(elementCount(type) * FLOAT_BYTES);
      const most = gpu.limits.maxStorageBufferBindingSize;
      if (size > most)
        throw outOfMemory(
          `${name} has ${formatBytes(size)} but a kernel on this adapter reaches at most ${formatBytes(most)}`,
        );
      return { buffer, offset: offset * FLOAT_BYTES, size };
    };
    const { dispatches, kernelNames } = await compileProgram(program, {
      ...{ device: gpu, health, target, kernelFor, pipelines, rangeOf, reserveScratch },
    });
    await health.settled();
    return {
      arenaBytes,
      kernelNames,
      async run({ readBacks = [] } = {}) {
        assert(underWay < RUNS_UNDER_WAY, `more than ${RUNS_UNDER_WAY} runs under way on one webgpu device`);
        underWay++;
        try {
          health.check();
          await health.guard(submitRun(dispatches, readBacks, { device: gpu, staging, clock, stretchOf }));
        } finally {
          underWay--;
        }
      },
    };
  }

  const device: WebGpuDevice = {
    name: "webgpu",
    adapter: { name: named.name, isSoftware: named.isSoftware },
    target,
    adapterInfo: adapter.info,
    limits: gpu.limits,
    get isLost() {
      return health.isLost;
    },
    runsUnderWay: RUNS_UNDER_WAY,
    get busyMs() {
      return clock?.busyMs;
    },
    alloc: (elements, label) => memory.alloc(elements, label),
    mirror: (vector) => memory.mirror(vector),
    async readF32(vector) {
      const encoder = gpu.createCommandEncoder();
      const arrive = staging.encode(encoder, [stretchOf({ vector, begin: 0, end: vector.elements })]);
      gpu.queue.submit([encoder.finish()]);
      await health.guard(arrive());
      return memory.mirror(vector);
    },
    write: (vector, offset, data) => memory.write(vector, offset, data),
    compile,
    free: (vector) => memory.free(vector),
    destroy: () => gpu.destroy(),
  };
  return device;
}
