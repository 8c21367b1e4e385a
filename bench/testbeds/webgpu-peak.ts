// What an adapter can do at most, by two plain kernels: multiply-adds that touch no memory, and copies of vectors from
// such as caches hold to such as none holds.

import type { Device, DeviceVector, Program } from "../../src/device/device.ts";
import type { WebGpuDevice } from "../../src/device/webgpu/webgpu-device.ts";
import { relu } from "../../src/kernels/ops/elementwise.ts";
import { f32 } from "../../src/kernels/tensor.ts";
import { flatPass } from "../../src/kernels/webgpu/emit/flat.ts";
import type { WebGpuKernel, WebGpuPass } from "../../src/kernels/webgpu/kernel.ts";
import type { GpuPeak } from "../kernels/roofline.ts";
import type { StepTimer } from "./testbed.ts";

/** Independent sums of an invocation, enough to hide a latency of 4 with few warps; each a vec4f. */
const CHAINS = 8;
const TURNS = 256;
const LANES = 4;
const FLOPS_PER_LANE = 2;
/** Invocations: on any GPU more than run at once, in rounds that are not many fewer than full. */
const MOST_INVOCATIONS = 2 ** 22;
/** A software adapter does a thousandth of the work in the same time. */
const FEWEST_INVOCATIONS = 2 ** 12;

/** Of each of two vectors. H100's second cache has 50 MB. */
const COPY_BYTES = [2 ** 18, 2 ** 22, 2 ** 24, 2 ** 28] as const;
/** In a processor's memory. */
const SOFTWARE_COPY_BYTES = COPY_BYTES.slice(0, -1).concat(2 ** 26);
/** Copies of one submission, so that what comes before the first does not count; on a processor they take milliseconds. */
const COPY_REPEATS = 8;

const SAMPLES = 6;
/** After so long no further sample is taken, but for the first ones. */
const BUDGET_MS = 120;
const MIN_SAMPLES = 3;

/** Takes about half a second, and gigabytes for no longer than that. */
export async function measureGpuPeak(
  device: WebGpuDevice,
  timeMs: StepTimer,
  isSoftware: boolean,
): Promise<GpuPeak> {
  const fmaGflops = await measureMultiplyAdds(device, timeMs, isSoftware);
  const bandwidths = [];
  for (const bytes of isSoftware ? SOFTWARE_COPY_BYTES : COPY_BYTES) {
    const ms = await bestMs(device, timeMs, copyPass(bytes / 4), bytes / 4, isSoftware ? 1 : COPY_REPEATS);
    bandwidths.push({ workingSetBytes: 2 * bytes, gbPerS: (2 * bytes) / ms / 1e6 });
  }
  return { fmaGflops, memoryGBs: bandwidths.at(-1)!.gbPerS, bandwidths };
}

async function measureMultiplyAdds(device: WebGpuDevice, timeMs: StepTimer, isSoftware: boolean) {
  const invocations = isSoftware ? FEWEST_INVOCATIONS : MOST_INVOCATIONS;
  const flops = invocations * CHAINS * TURNS * LANES * FLOPS_PER_LANE;
  const ms = await bestMs(device, timeMs, multiplyAddPass(invocations), invocations * LANES, 1);
  return flops / ms / 1e6;
}

/** Sums begin and end in memory, so that no compiler can drop the work. */
function multiplyAddPass(invocations: number): WebGpuPass {
  const sums = Array.from({ length: CHAINS }, (_, chain) => `sum${chain}`);
  return flatPass({
    count: invocations,
    bindings: {
      from: { of: { input: 0 }, type: "vec4f" },
      to: { of: { output: 0 }, type: "vec4f" },
    },
    body: `let factor = $from[i];
  ${sums.map((sum, chain) => `var ${sum} = factor + ${chain}.0;`).join(" ")}
  for (var turn = 0; turn < ${TURNS}; turn++) {
    ${sums.map((sum) => `${sum} = fma(${sum}, factor, factor);`).join(" ")}
  }
  $to[i] = ${sums.join(" + ")};`,
  });
}

function copyPass(elements: number): WebGpuPass {
  return flatPass({
    count: elements / LANES,
    bindings: {
      from: { of: { input: 0 }, type: "vec4u" },
      to: { of: { output: 0 }, type: "vec4u" },
    },
    body: "$to[i] = $from[i];",
  });
}

/** The shortest of some runs of `pass`, from a vector of `elements` to another. */
async function bestMs(
  device: WebGpuDevice,
  timeMs: StepTimer,
  pass: WebGpuPass,
  elements: number,
  repeats: number,
): Promise<number> {
  // A kernel by itself: the op that it stands for says nothing.
  const kernel: WebGpuKernel = {
    name: "peak",
    op: relu,
    accepts: () => true,
    build: () => ({ passes: [pass] }),
  };
  const names = ["from", "to"];
  const instruction = { op: relu, params: {}, inputs: [0], outputs: [1] };
  const program: Program = {
    values: names.map((name) => ({
      type: f32(elements),
      name,
      place: { kind: "vector", vector: name, offset: 0 },
    })),
    instructions: Array.from({ length: repeats }, () => instruction),
    vectors: Object.fromEntries(names.map((name) => [name, elements])),
  };
  const vectors = Object.fromEntries(
    names.map((name): [string, DeviceVector] => [name, device.alloc(elements, name)]),
  );
  // Numbers, for zeros may be compressed.
  fill(device, vectors.from!);
  const plan = { offsets: names.map(() => -1), arenaElements: 0 };
  const step = await device.compile(program, plan, vectors, { kernelFor: () => kernel });
  let best = Infinity;
  const endMs = performance.now() + BUDGET_MS;
  // The first one warms up.
  for (let sample = -1; sample < MIN_SAMPLES || (sample < SAMPLES && performance.now() < endMs); sample++) {
    const ms = await timeMs(step);
    if (sample >= 0) best = Math.min(best, ms);
  }
  for (const vector of Object.values(vectors)) device.free(vector);
  return best / repeats;
}

function fill(device: Device, vector: DeviceVector): void {
  const values = new Float32Array(Math.min(vector.elements, 2 ** 20)).map((_, i) => (i % 977) / 977);
  for (let offset = 0; offset < vector.elements; offset += values.length)
    device.write(vector, offset, values.subarray(0, vector.elements - offset));
}
