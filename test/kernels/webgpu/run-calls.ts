// Runs single calls of WebGPU kernels on the device itself, but suspiciously: every operand lies in a vector of its own,
// its padding and a guard behind it are full of canaries, and a canary that changed is an error.

import assert from "node:assert/strict";
import type { Operand } from "../../../bench/kernels/fitting-operands.ts";
import type { DeviceVector, Program, Value } from "../../../src/device/device.ts";
import type { WebGpuDevice } from "../../../src/device/webgpu/webgpu-device.ts";
import type { AnyOp } from "../../../src/kernels/op.ts";
import { ops, type OpName } from "../../../src/kernels/ops/index.ts";
import { alignElements, elementCount, f32, i32, type TensorType } from "../../../src/kernels/tensor.ts";
import { chooseWebGpuKernel } from "../../../src/kernels/webgpu/choose.ts";
import type { WebGpuKernel } from "../../../src/kernels/webgpu/kernel.ts";
import type { Case } from "../cases.ts";
import { bitsOf } from "../expected.ts";

/** A NaN that no kernel computes: reading a guard into a result shows, and so does writing to it. */
const CANARY = 0x7fabcdef;
const GUARD_ELEMENTS = 64;

/** The outputs of one call of one kernel; output i lies on input `onInputs[i]` if there is one. */
export async function runCall(
  device: WebGpuDevice,
  kernel: WebGpuKernel,
  { call, label }: Pick<Case, "call" | "label">,
  operands: readonly Operand[],
  onInputs: readonly number[] = [],
): Promise<readonly Float32Array[]> {
  const types = [...call.inputs, ...call.outputs];
  const outputAt = (output: number): number => onInputs[output] ?? call.inputs.length + output;
  const names = types.map((_, i) => `operand.${i}`);
  const vectors: Record<string, DeviceVector> = {};
  const sizes: Record<string, number> = {};
  types.forEach((type, i) => {
    const elements = alignElements(elementCount(type)) + GUARD_ELEMENTS;
    const words = new Int32Array(elements).fill(CANARY);
    const data = operands[i];
    if (data) words.set(new Int32Array(data.buffer, data.byteOffset, data.length));
    const vector = device.alloc(elements, names[i]!);
    device.write(vector, 0, words);
    vectors[names[i]!] = vector;
    sizes[names[i]!] = elements;
  });
  const values = types.map((type, i): Value => ({
    type,
    name: names[i]!,
    place: { kind: "vector", vector: names[i]!, offset: 0 },
  }));
  const inputs = call.inputs.map((_, i) => i);
  const outputs = call.outputs.map((_, i) => outputAt(i));
  const program: Program = {
    values,
    instructions: [{ op: kernel.op, params: call.params, inputs, outputs }],
    vectors: sizes,
  };
  const plan = { offsets: types.map(() => -1), arenaElements: 0 };
  const step = await device.compile(program, plan, vectors, { kernelFor: () => kernel });
  await step.run();

  const wordsOf = async (i: number): Promise<Int32Array> => {
    const values = await device.readF32(vectors[names[i]!]!);
    return new Int32Array(values.buffer, values.byteOffset, values.length);
  };
  for (const [i, type] of types.entries()) {
    const words = await wordsOf(i);
    const count = elementCount(type);
    assert.ok(
      words.subarray(count).every((word) => word === CANARY),
      `${kernel.name}, ${label}: wrote behind operand ${i}`,
    );
    const data = operands[i];
    if (data && !outputs.includes(i)) {
      const before = new Int32Array(data.buffer, data.byteOffset, data.length);
      assert.deepEqual(words.slice(0, count), before, `${kernel.name}, ${label}: wrote to input ${i}`);
    }
  }
  const results = await Promise.all(outputs.map(wordsOf));
  for (const vector of Object.values(vectors)) device.free(vector);
  return results.map(
    (words, o) => new Float32Array(words.buffer, words.byteOffset, elementCount(call.outputs[o]!)),
  );
}

/** The outputs of the kernel that is chosen for a call on flat vectors. */
export async function runFlat(
  device: WebGpuDevice,
  op: OpName,
  operands: readonly Operand[],
  params: object,
  onInputs?: readonly number[],
): Promise<readonly Operand[]> {
  const inputs = operands.map((data) => (data instanceof Int32Array ? i32 : f32)(data.length));
  return runOp(device, op, inputs, operands, params, onInputs);
}

/** The outputs of the kernel that is chosen for a call. */
export async function runOp(
  device: WebGpuDevice,
  op: OpName,
  inputs: readonly TensorType[],
  operands: readonly Operand[],
  params: object = {},
  onInputs?: readonly number[],
): Promise<readonly Operand[]> {
  const outputs = (ops[op] as AnyOp).infer(inputs, params);
  const one: Case = { op, call: { inputs, outputs, params }, label: op };
  const kernel = chooseWebGpuKernel(ops[op], one.call, device.target);
  assert.ok(kernel, `no kernel for ${op}`);
  const results = await runCall(device, kernel, one, operands, onInputs);
  return results.map((floats, i) => (outputs[i]!.dtype === "i32" ? bitsOf([floats])[0]! : floats));
}
