// From a program to one WebAssembly module: for every instruction the function of the kernel that was chosen for it,
// phase by phase, called with constant addresses, and exported as (begin, end, scratch).

import { SltrainError, assert } from "../../errors.ts";
import type { KernelCall } from "../../kernels/kernel.ts";
import { elementCount, formatType } from "../../kernels/tensor.ts";
import { ModuleBuilder } from "../../wasm/emitter.ts";
import { memory } from "../../wasm/instructions.ts";
import { singlePhase, SLACK_BYTES, type WasmRoutine, type WasmTarget } from "../../kernels/wasm/kernel.ts";
import { chooseWasmKernel } from "../../kernels/wasm/choose.ts";
import { FLOAT_BYTES } from "../../wasm/lanes.ts";
import type { Instruction, Program, ValueId } from "../device.ts";
import { SlicedCall } from "./sliced-call.ts";
import type { ThreadPool } from "./thread-pool.ts";
import type { WasmMemory } from "./wasm-memory.ts";

export interface CompiledProgram {
  /** By instruction: its phases in order; none where nothing runs. */
  readonly calls: readonly (readonly SlicedCall[])[];
  readonly kernelNames: readonly (string | undefined)[];
}

function alignBytes(sizeBytes: number): number {
  return Math.ceil(sizeBytes / SLACK_BYTES) * SLACK_BYTES;
}

interface Bound {
  readonly name: string | undefined;
  readonly routine: WasmRoutine;
  readonly operations: number;
}

export interface CompileOptions {
  readonly target: WasmTarget;
  readonly memory: WasmMemory;
  /** Where a value lies. */
  readonly addressOf: (id: ValueId) => number;
  /** Returns the address of that many bytes, which programs share. */
  readonly reserveScratch: (sizeBytes: number) => number;
  /** Threads that the program's calls are made known to. */
  readonly pool: ThreadPool | undefined;
}

/** Throws SltrainError "kernel-missing". */
export async function compileProgram(
  program: Program,
  { target, memory: wasmMemory, addressOf, reserveScratch, pool }: CompileOptions,
): Promise<CompiledProgram> {
  const module = new ModuleBuilder({
    maximumPages: wasmMemory.maximumPages,
    relaxedSimd: target.relaxedSimd,
  });
  const bound = program.instructions.map((instruction) =>
    instruction.op.view === true
      ? bindView(module, program, instruction, addressOf)
      : bindKernel(module, program, instruction, target),
  );
  const largest = (bytesOf: (routine: WasmRoutine) => number): number =>
    bound.reduce((most, entry) => Math.max(most, entry === undefined ? 0 : bytesOf(entry.routine)), 0);
  const sharedBytes = alignBytes(largest((routine) => routine.sharedBytes));
  const scratchBytes = alignBytes(largest((routine) => routine.scratchBytes));
  const helpers = pool?.helpers ?? 0;
  const shared = reserveScratch(sharedBytes + (1 + helpers) * scratchBytes);
  const scratch = shared + sharedBytes;
  const exportNames: string[] = [];
  bound.forEach((entry, index) => {
    if (entry === undefined) return;
    const { inputs, outputs } = program.instructions[index]!;
    const addresses = [...inputs, ...outputs].map(addressOf);
    if (entry.routine.sharedBytes > 0) addresses.push(shared);
    entry.routine.phases.forEach(({ func }, phase) => {
      const key = `call ${func.index} ${addresses.join(" ")}`;
      const call = module.func(key, ["begin", "end", "scratch"], ({ begin, end, scratch }) =>
        func.call(begin, end, ...addresses, scratch),
      );
      const name = `${index}.${phase}`;
      module.export(name, call);
      exportNames.push(name);
    });
  });

  const compiled = await WebAssembly.compile(module.toBytes());
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory: wasmMemory.memory } });
  const scratches = Array.from({ length: helpers }, (_, helper) => scratch + (1 + helper) * scratchBytes);
  let number = pool?.addProgram(compiled, exportNames, scratches) ?? 0;
  return {
    calls: bound.map((entry, index) =>
      (entry?.routine.phases ?? []).map(({ extent, grain }, phase) => {
        const call = exports[`${index}.${phase}`] as (begin: number, end: number, scratch: number) => void;
        const run = (begin: number, end: number): void => call(begin, end, scratch);
        return new SlicedCall({ number: number++, run, extent, grain, operations: entry!.operations });
      }),
    ),
    kernelNames: bound.map((entry) => entry?.name),
  };
}

function callOf(program: Program, { inputs, outputs, params }: Instruction): KernelCall {
  const typeOf = (id: ValueId) => program.values[id]!.type;
  return { inputs: inputs.map(typeOf), outputs: outputs.map(typeOf), params };
}

function bindKernel(
  module: ModuleBuilder,
  program: Program,
  instruction: Instruction,
  target: WasmTarget,
): Bound {
  const { op } = instruction;
  const call = callOf(program, instruction);
  const kernel = chooseWasmKernel(op, call, target);
  if (kernel === undefined)
    throw new SltrainError({
      code: "kernel-missing",
      message: `wasm device: no kernel for ${op.name}(${call.inputs.map(formatType).join(", ")})`,
    });
  const elements = [...call.inputs, ...call.outputs].reduce((sum, type) => sum + elementCount(type), 0);
  return {
    name: kernel.name,
    routine: kernel.emit(module, call),
    operations: Math.max(elements, op.flops(call.inputs, call.params)),
  };
}

/** A view costs nothing where it shares its input's memory; a copy where it has a place of its own. */
function bindView(
  module: ModuleBuilder,
  program: Program,
  { inputs, outputs }: Instruction,
  addressOf: (id: ValueId) => number,
): Bound | undefined {
  const [input, output] = [inputs[0]!, outputs[0]!];
  if (addressOf(input) === addressOf(output)) return undefined;
  const elements = elementCount(program.values[input]!.type);
  assert(elements === elementCount(program.values[output]!.type), "a view has its input's elements");
  const names = ["begin", "end", "from", "to", "scratch"] as const;
  const func = module.func(`copy ${elements}`, names, ({ from, to }) =>
    memory.copy(to, from, elements * FLOAT_BYTES),
  );
  return {
    name: undefined,
    routine: singlePhase({ func, extent: 1, grain: 1 }),
    operations: elements,
  };
}
