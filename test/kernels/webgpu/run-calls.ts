// Runs single calls of WebGPU kernels on the device itself, but suspiciously: every operand lies in a vector of its own,
// its padding and a guard behind it are full of canaries, and a canary that changed is an error.

import assert from "node:assert/strict";
import type { Operand } from "../../../bench/kernels/fitting-operands.ts";
import type { DeviceVector, Program, Value } from "../../../src/device/device.ts";
import type { WebGpuDevice } from "../../../src/device/webgpu/webgpu-device.ts";
import { ops } from "../../../src/kernels/ops/index.ts";
import { alignElements, elementCount } from "../../../src/kernels/tensor.ts";
import type { WebGpuKernel } from "../../../src/kernels/webgpu/kernel.ts";
import type { Case } from "../cases.ts";

/** A NaN that no kernel computes: reading a guard into a result shows, and so does writing to it. */
const CANARY = 0x7fabcdef;
const GUARD_ELEMENTS = 64;

/** The outputs of one call of one kernel; output 0 lies on input `inPlace` if it is given. */
export async function runCall(
  device: WebGpuDevice,
  kernel: WebGpuKernel,
  { op, call, label }: Case,
  operands: readonly Operand[],
  inPlace?: number,
): Promise<readonly Float32Array[]> {
  const types = [...call.inputs, ...call.outputs];
  const outputAt = (output: number): number =>
    output === 0 && inPlace !== undefined ? inPlace : call.inputs.length + output;
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
    instructions: [{ op: ops[op], params: call.params, inputs, outputs }],
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
