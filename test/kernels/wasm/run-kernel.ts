// Runs one call of a WASM kernel as a device would, but suspiciously: every tensor and the scratch lie between guards,
// and a guard that changed is an error.

import assert from "node:assert/strict";
import { SLACK_BYTES, type WasmKernel } from "../../../src/kernels/wasm/kernel.ts";
import { chooseWasmKernel } from "../../../src/kernels/wasm/choose.ts";
import { ModuleBuilder } from "../../../src/kernels/wasm/emitter.ts";
import type { KernelCall } from "../../../src/kernels/kernel.ts";
import type { AnyOp } from "../../../src/kernels/op.ts";
import { elementCount, f32, i32 } from "../../../src/kernels/tensor.ts";

const MAXIMUM_PAGES = 1024;
const GUARD_BYTES = 4 * SLACK_BYTES;
/** A NaN that no kernel computes: reading a guard into a result shows, and so does writing to it. */
const CANARY = 0x7fabcdef;

const memory = new WebAssembly.Memory({ initial: MAXIMUM_PAGES, maximum: MAXIMUM_PAGES, shared: true });
const floats = new Float32Array(memory.buffer);
const words = new Int32Array(memory.buffer);

export interface RunOptions {
  /** Cuts the outer units into this many slices, run from the last to the first. */
  readonly slices?: number;
  /** Output i lies on input `aliases[i]`. */
  readonly aliases?: readonly (number | undefined)[];
  readonly relaxedSimd?: boolean;
}

type Operand = Float32Array | Int32Array;

/** The outputs of one call. */
export function runKernel(
  kernel: WasmKernel,
  call: KernelCall,
  inputs: readonly Operand[],
  { slices = 1, aliases = [], relaxedSimd = true }: RunOptions = {},
): readonly Float32Array[] {
  const module = new ModuleBuilder({ maximumPages: MAXIMUM_PAGES, relaxedSimd });
  const { phases, sharedBytes, scratchBytes } = kernel.emit(module, call);
  phases.forEach(({ func }, phase) => {
    module.export(String(phase), func);
  });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.toBytes()), { env: { memory } });

  let next = 0;
  const guards: number[] = [];
  const place = (sizeBytes: number): number => {
    guards.push(next);
    const address = next + GUARD_BYTES;
    next = address + sizeBytes;
    return address;
  };
  const inputAddresses = inputs.map((input) => place(input.byteLength));
  const outputAddresses = call.outputs.map((output, i) => {
    const alias = aliases[i];
    return alias === undefined ? place(elementCount(output) * 4) : inputAddresses[alias]!;
  });
  const shared = sharedBytes > 0 ? [place(sharedBytes)] : [];
  const scratch = place(scratchBytes);
  guards.push(next);
  assert.ok(next + GUARD_BYTES <= memory.buffer.byteLength, "the tests' memory is too small");
  words.fill(CANARY, 0, (next + GUARD_BYTES) / 4);
  inputs.forEach((input, i) => {
    const view = input instanceof Int32Array ? words : floats;
    view.set(input, inputAddresses[i]! / 4);
  });

  const addresses = [...inputAddresses, ...outputAddresses, ...shared, scratch];
  phases.forEach(({ extent, grain }, phase) => {
    const run = instance.exports[phase] as (...args: number[]) => void;
    const step = Math.max(grain, Math.ceil(extent / slices / grain) * grain);
    for (let begin = Math.floor((extent - 1) / step) * step; begin >= 0; begin -= step) {
      words.fill(CANARY, scratch / 4, (scratch + scratchBytes) / 4);
      run(begin, Math.min(begin + step, extent), ...addresses);
    }
  });

  for (const guard of guards)
    assert.ok(
      words.subarray(guard / 4, (guard + GUARD_BYTES) / 4).every((word) => word === CANARY),
      `${kernel.name} wrote outside its outputs`,
    );
  inputs.forEach((input, i) => {
    if (outputAddresses.includes(inputAddresses[i]!)) return;
    const view = input instanceof Int32Array ? words : floats;
    const begin = inputAddresses[i]! / 4;
    assert.deepEqual(view.slice(begin, begin + input.length), input, `${kernel.name} wrote to input ${i}`);
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

/** The bits of floats, to compare them exactly. */
export function bitsOf(outputs: readonly Float32Array[]): readonly Int32Array[] {
  return outputs.map((output) => new Int32Array(output.buffer, output.byteOffset, output.length));
}
