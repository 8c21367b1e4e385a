// Dispatch with the clock's help: among kernels of equal bits, the one that was fastest on this adapter. What was measured is
// remembered (autotune-cache.ts); results do not depend on it.

import { crc32 } from "node:zlib";
import type { KernelCall } from "../../kernels/kernel.ts";
import type { AnyOp } from "../../kernels/op.ts";
import { elementCount, formatType } from "../../kernels/tensor.ts";
import { chooseWebGpuKernel } from "../../kernels/webgpu/choose.ts";
import type { WebGpuKernel, WebGpuTarget } from "../../kernels/webgpu/kernel.ts";
import { webgpuKernels } from "../../kernels/webgpu/kernels.ts";
import { remembered } from "../autotune-cache.ts";
import type { Program, Value } from "../device.ts";
import type { KernelChoice } from "./compile.ts";
import type { WebGpuDevice } from "./webgpu-device.ts";

/** Calls of one submission, so that what it costs counts little; and submissions, of which the shortest counts. */
const CALLS = 16;
const RUNS = 3;

export interface Tuning {
  readonly target: WebGpuTarget;
  /** What a measurement is good for: the adapter and its driver, in words. */
  readonly adapter: string;
  /** Of the cache. */
  readonly folder: string;
  readonly timeMs: (op: AnyOp, kernel: WebGpuKernel, call: KernelCall) => Promise<number>;
}

/** Measures what is not remembered of the program's calls. */
export async function tunedChoice(program: Program, tuning: Tuning): Promise<KernelChoice> {
  const { target, adapter, folder, timeMs } = tuning;
  const tuned = new Map<string, WebGpuKernel>();
  for (const { op, params, inputs, outputs } of program.instructions) {
    if (op.view === true) continue;
    const typeOf = (id: number) => program.values[id]!.type;
    const call: KernelCall = { inputs: inputs.map(typeOf), outputs: outputs.map(typeOf), params };
    const key = keyOf(op, call);
    const candidates = equalKernels(op, call, target);
    if (candidates.length < 2 || tuned.has(key)) continue;
    const names = candidates.map(({ name }) => name);
    const fastest = await remembered(
      {
        name: `${op.name}-${crc32(key).toString(16).padStart(8, "0")}`,
        machine: `${adapter}: ${key} of ${names.join(" ")}`,
        isAnswer: (value): value is string => names.some((name) => name === value),
        measure: async () => {
          const times: number[] = [];
          for (const kernel of candidates) times.push(await timeMs(op, kernel, call));
          return names[times.indexOf(Math.min(...times))]!;
        },
      },
      folder,
    );
    tuned.set(key, candidates[names.indexOf(fastest)]!);
  }
  return (op, call, on) => tuned.get(keyOf(op, call)) ?? chooseWebGpuKernel(op, call, on);
}

function keyOf({ name }: AnyOp, { inputs, params }: KernelCall): string {
  return `${name}(${inputs.map(formatType).join()}) ${JSON.stringify(params)}`;
}

/** The one that shapes choose, first, and those that may stand in for it. */
function equalKernels(op: AnyOp, call: KernelCall, target: WebGpuTarget): readonly WebGpuKernel[] {
  const chosen = chooseWebGpuKernel(op, call, target);
  if (chosen?.equalBits === undefined) return [];
  const others = webgpuKernels.filter(
    (kernel) =>
      kernel !== chosen &&
      kernel.op === op &&
      kernel.equalBits === chosen.equalBits &&
      kernel.accepts(call, target),
  );
  return [chosen, ...others];
}

/** Milliseconds of one call, over zeros. Needs memory for its operands. */
export async function timeCallMs(
  device: Pick<WebGpuDevice, "alloc" | "compile" | "free">,
  op: AnyOp,
  kernel: WebGpuKernel,
  { inputs, outputs, params }: KernelCall,
): Promise<number> {
  const types = [...inputs, ...outputs];
  const values = types.map((type, i): Value => {
    const name = `tuned.${i}`;
    return { type, name, place: { kind: "vector", vector: name, offset: 0 } };
  });
  const vectors = Object.fromEntries(
    values.map(({ name, type }) => [name, device.alloc(elementCount(type), name)]),
  );
  const instruction = {
    op,
    params,
    inputs: inputs.map((_, i) => i),
    outputs: outputs.map((_, o) => inputs.length + o),
  };
  const program: Program = {
    values,
    instructions: new Array<typeof instruction>(CALLS).fill(instruction),
    vectors: Object.fromEntries(values.map(({ name, type }) => [name, elementCount(type)])),
  };
  try {
    const plan = { offsets: types.map(() => -1), arenaElements: 0 };
    const step = await device.compile(program, plan, vectors, { kernelFor: () => kernel });
    await step.run();
    let bestMs = Infinity;
    for (let run = 0; run < RUNS; run++) {
      const startedAt = performance.now();
      await step.run();
      bestMs = Math.min(bestMs, performance.now() - startedAt);
    }
    return bestMs / CALLS;
  } finally {
    for (const vector of Object.values(vectors)) device.free(vector);
  }
}
