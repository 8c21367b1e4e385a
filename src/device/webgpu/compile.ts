// From a program to a list of dispatches: for every instruction the passes of the kernel that was chosen for it, each with
// its pipeline and its bind group, both made once.

import { SltrainError, assert } from "../../errors.ts";
import type { KernelCall } from "../../kernels/kernel.ts";
import { elementCount, formatType } from "../../kernels/tensor.ts";
import { flatPass, storeVec4 } from "../../kernels/webgpu/emit/flat.ts";
import type { AnyOp } from "../../kernels/op.ts";
import type { BoundMemory, WebGpuKernel, WebGpuRoutine, WebGpuTarget } from "../../kernels/webgpu/kernel.ts";
import type { Instruction, Program, ValueId } from "../device.ts";
import { type DeviceHealth, refused } from "./health.ts";
import { bindPass, type BoundPass, type MemoryRange } from "./bind.ts";
import type { Pipelines } from "./pipelines.ts";

const ALIGNMENT_BYTES = 256;

export interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [x: number, y: number, z: number];
  /** Index in the program. */
  readonly instruction: number;
}

export type KernelChoice = (op: AnyOp, call: KernelCall, target: WebGpuTarget) => WebGpuKernel | undefined;

export interface CompileOptions {
  readonly device: GPUDevice;
  /** Is told of bind groups that WebGPU refuses. */
  readonly health: DeviceHealth;
  readonly target: WebGpuTarget;
  readonly kernelFor: KernelChoice;
  readonly pipelines: Pipelines;
  /** Where a value lies; whole multiples of 256 bytes. */
  readonly rangeOf: (id: ValueId) => MemoryRange;
  /** A buffer of at least that many bytes, which all instructions share. */
  readonly reserveScratch: (sizeBytes: number) => GPUBuffer;
}

export interface CompiledProgram {
  readonly dispatches: readonly Dispatch[];
  readonly kernelNames: readonly (string | undefined)[];
}

interface ChosenRoutine {
  readonly name: string | undefined;
  readonly routine: WebGpuRoutine;
}

/** Throws SltrainError "kernel-missing" and "shader-invalid". */
export async function compileProgram(program: Program, options: CompileOptions): Promise<CompiledProgram> {
  const { device, health, pipelines, rangeOf } = options;
  const chosen = program.instructions.map((instruction) =>
    instruction.op.view === true
      ? copyOf(program, instruction, rangeOf)
      : routineOf(program, instruction, options),
  );
  const scratchBytes = Math.max(0, ...chosen.map((entry) => scratchLayout(entry?.routine).sizeBytes));
  const scratch = scratchBytes > 0 ? options.reserveScratch(scratchBytes) : undefined;
  const passes = chosen.flatMap((entry, instruction) => {
    if (entry === undefined) return [];
    const { inputs, outputs } = program.instructions[instruction]!;
    const { ranges } = scratchLayout(entry.routine);
    const memoryOf = (of: BoundMemory): MemoryRange => {
      if ("input" in of) return rangeOf(inputs[of.input]!);
      if ("output" in of) return rangeOf(outputs[of.output]!);
      const range = ranges.get(of.scratch);
      assert(range !== undefined && scratch !== undefined, `${entry.name} has no scratch ${of.scratch}`);
      return { buffer: scratch, ...range };
    };
    const inPlace = (): boolean => {
      const [from, to] = [memoryOf({ input: 0 }), memoryOf({ output: 0 })];
      return from.buffer === to.buffer && from.offset === to.offset;
    };
    const needed = entry.routine.passes.filter((pass) => pass.unlessInPlace !== true || !inPlace());
    return needed.map((pass) => {
      const label = `${entry.name ?? "copy"}@${instruction}`;
      const bound = bindPass(pass, memoryOf);
      const most = options.target.storageBuffers;
      assert(bound.ranges.length <= most, `${label} binds ${bound.ranges.length} buffers of ${most}`);
      return { instruction, label, bound };
    });
  });
  const dispatches = await Promise.all(
    passes.map(async ({ instruction, label, bound }): Promise<Dispatch> => {
      const pipeline = await pipelines.get(bound, label);
      return {
        pipeline,
        bindGroup: health.watch("validation", () => bindGroupOf(device, pipelines, bound, label), refused),
        workgroups: bound.workgroups,
        instruction,
      };
    }),
  );
  return { dispatches, kernelNames: chosen.map((entry) => entry?.name) };
}

function bindGroupOf(
  device: GPUDevice,
  pipelines: Pipelines,
  { ranges, access }: BoundPass,
  label: string,
): GPUBindGroup {
  return device.createBindGroup({
    label,
    layout: pipelines.bindGroupLayout(access),
    entries: ranges.map((range, binding) => ({ binding, resource: range })),
  });
}

/** One area behind the other. */
function scratchLayout(routine: WebGpuRoutine | undefined): {
  readonly ranges: ReadonlyMap<string, { readonly offset: number; readonly size: number }>;
  readonly sizeBytes: number;
} {
  let sizeBytes = 0;
  const ranges = new Map(
    Object.entries(routine?.scratch ?? {}).map(([name, elements]) => {
      const size = alignBytes(elements * 4);
      const range = { offset: sizeBytes, size };
      sizeBytes += size;
      return [name, range];
    }),
  );
  return { ranges, sizeBytes };
}

export function alignBytes(sizeBytes: number): number {
  return Math.max(1, Math.ceil(sizeBytes / ALIGNMENT_BYTES)) * ALIGNMENT_BYTES;
}

function routineOf(
  program: Program,
  { op, inputs, outputs, params }: Instruction,
  { kernelFor, target }: CompileOptions,
): ChosenRoutine {
  const typeOf = (id: ValueId) => program.values[id]!.type;
  const call: KernelCall = { inputs: inputs.map(typeOf), outputs: outputs.map(typeOf), params };
  const kernel = kernelFor(op, call, target);
  if (kernel === undefined)
    throw new SltrainError({
      code: "kernel-missing",
      message: `webgpu device: no kernel for ${op.name}(${call.inputs.map(formatType).join(", ")})`,
    });
  return { name: kernel.name, routine: kernel.build(call, target) };
}

/** A view costs nothing where it shares its input's memory; a copy where it has a place of its own. */
function copyOf(
  program: Program,
  { inputs, outputs }: Instruction,
  rangeOf: (id: ValueId) => MemoryRange,
): ChosenRoutine | undefined {
  const [from, to] = [rangeOf(inputs[0]!), rangeOf(outputs[0]!)];
  if (from.buffer === to.buffer && from.offset === to.offset) return undefined;
  const elements = elementCount(program.values[outputs[0]!]!.type);
  const pass = flatPass({
    count: Math.ceil(elements / 4),
    bindings: { from: { of: { input: 0 }, type: "vec4u" }, to: { of: { output: 0 }, type: "vec4u" } },
    body: storeVec4("to", "$from[i]", elements),
  });
  return { name: undefined, routine: { passes: [pass] } };
}
