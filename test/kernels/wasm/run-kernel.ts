// Runs one call of a WASM kernel as a device would, but suspiciously: every tensor and the scratch lie between guards,
// and a guard that changed is an error.

import assert from "node:assert/strict";
import { SLACK_BYTES, type WasmKernel, type WasmRoutine } from "../../../src/kernels/wasm/kernel.ts";
import { chooseWasmKernel } from "../../../src/kernels/wasm/choose.ts";
import { ModuleBuilder } from "../../../src/wasm/emitter.ts";
import type { KernelCall } from "../../../src/kernels/kernel.ts";
import type { AnyOp } from "../../../src/kernels/op.ts";
import { elementCount, f32, i32 } from "../../../src/kernels/tensor.ts";
import { bitsOf } from "../expected.ts";

const MAXIMUM_PAGES = 1024;
const GUARD_BYTES = 4 * SLACK_BYTES;
/** A NaN that no kernel computes: reading a guard into a result shows, and so does writing to it. */
const CANARY = 0x7fabcdef;

const memory = new WebAssembly.Memory({ initial: MAXIMUM_PAGES, maximum: MAXIMUM_PAGES, shared: true });
const floats = new Float32Array(memory.buffer);
const words = new Int32Array(memory.buffer);

/** Units [begin, end) of a phase. */
export type Slice = readonly [begin: number, end: number];

/** The slices of a phase, in the order in which they run. */
type Slicing = (extent: number, grain: number) => readonly Slice[];

export interface RunOptions {
  /** A number of slices, which run from the last to the first, or any slicing. */
  readonly slices?: number | Slicing;
  /** Output i lies on input `aliases[i]`. */
  readonly aliases?: readonly (number | undefined)[];
  /** The operands, the inputs then the outputs, in the order of their addresses. */
  readonly layout?: readonly number[];
}

type Operand = Float32Array | Int32Array;

/** Slices as nearly equal as the grain allows. */
function backwards(slices: number): Slicing {
  return (extent, grain) => {
    const step = Math.max(grain, Math.ceil(extent / slices / grain) * grain);
    return Array.from({ length: Math.ceil(extent / step) }, (_, i): Slice => [
      i * step,
      Math.min((i + 1) * step, extent),
    ]).reverse();
  };
}

/** The outputs of one call. */
export function runKernel(
  kernel: WasmKernel,
  call: KernelCall,
  inputs: readonly Operand[],
  { relaxedSimd, ...options }: RunOptions & { readonly relaxedSimd?: boolean } = {},
): readonly Float32Array[] {
  return loadKernel(kernel, call, relaxedSimd)(inputs, options);
}

/** Compiles a kernel for a call; the function it returns computes the outputs. */
export function loadKernel(
  kernel: WasmKernel,
  call: KernelCall,
  relaxedSimd = true,
): (inputs: readonly Operand[], options?: RunOptions) => readonly Float32Array[] {
  const module = new ModuleBuilder({ maximumPages: MAXIMUM_PAGES, relaxedSimd });
  const routine = kernel.emit(module, call);
  routine.phases.forEach(({ func }, phase) => {
    module.export(String(phase), func);
  });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.toBytes()), { env: { memory } });
  const functions = routine.phases.map((_, phase) => instance.exports[phase] as PhaseFunction);
  return (inputs, options = {}) => run(kernel.name, call, routine, functions, inputs, options);
}

type PhaseFunction = (...args: number[]) => void;

function run(
  name: string,
  call: KernelCall,
  { phases, sharedBytes, scratchBytes }: WasmRoutine,
  functions: readonly PhaseFunction[],
  inputs: readonly Operand[],
  { slices = 1, aliases = [], layout }: RunOptions,
): readonly Float32Array[] {
  let next = 0;
  const guards: number[] = [];
  const place = (sizeBytes: number): number => {
    guards.push(next);
    const address = next + GUARD_BYTES;
    next = address + sizeBytes;
    return address;
  };
  const sizes = [
    ...inputs.map(({ byteLength }) => byteLength),
    ...call.outputs.map((type) => elementCount(type) * 4),
  ];
  const tensors = new Array<number>(sizes.length);
  for (const operand of layout ?? sizes.keys()) {
    const alias = aliases[operand - inputs.length];
    if (alias === undefined) tensors[operand] = place(sizes[operand]!);
  }
  aliases.forEach((alias, output) => {
    if (alias !== undefined) tensors[inputs.length + output] = tensors[alias]!;
  });
  const inputAddresses = tensors.slice(0, inputs.length);
  const outputAddresses = tensors.slice(inputs.length);
  const shared = sharedBytes > 0 ? [place(sharedBytes)] : [];
  const scratch = place(scratchBytes);
  guards.push(next);
  assert.ok(next + GUARD_BYTES <= memory.buffer.byteLength, "the tests' memory is too small");
  words.fill(CANARY, 0, (next + GUARD_BYTES) / 4);
  inputs.forEach((input, i) => {
    const view = input instanceof Int32Array ? words : floats;
    view.set(input, inputAddresses[i]! / 4);
  });

  const slicing = typeof slices === "number" ? backwards(slices) : slices;
  const addresses = [...tensors, ...shared, scratch];
  phases.forEach(({ extent, grain }, phase) => {
    for (const [begin, end] of slicing(extent, grain)) {
      words.fill(CANARY, scratch / 4, (scratch + scratchBytes) / 4);
      functions[phase]!(begin, end, ...addresses);
    }
  });

  for (const guard of guards)
    assert.ok(
      words.subarray(guard / 4, (guard + GUARD_BYTES) / 4).every((word) => word === CANARY),
      `${name} wrote outside its outputs`,
    );
  inputs.forEach((input, i) => {
    if (outputAddresses.includes(inputAddresses[i]!)) return;
    const view = input instanceof Int32Array ? words : floats;
    const begin = inputAddresses[i]! / 4;
    assert.deepEqual(view.slice(begin, begin + input.length), input, `${name} wrote to input ${i}`);
  });
  return call.outputs.map((output, i) => {
    const begin = outputAddresses[i]! / 4;
    return floats.slice(begin, begin + elementCount(output));
  });
}

/** The outputs of an op of flat vectors: of the kernel that is chosen for it. */
export function runFlat(op: AnyOp, operands: readonly Operand[], params: object): readonly Operand[] {
  const inputs = operands.map((data) => (data instanceof Int32Array ? i32 : f32)(data.length));
  const call = { inputs, outputs: op.infer(inputs, params), params };
  const kernel = chooseWasmKernel(op, call, { relaxedSimd: true, wide: false })!;
  return runKernel(kernel, call, operands).map((floats, i) =>
    call.outputs[i]!.dtype === "i32" ? bitsOf([floats])[0]! : floats,
  );
}
