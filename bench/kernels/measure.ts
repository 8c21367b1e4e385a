// One kernel on one device: right first, then timed. Works through the device contract alone, so that every device's
// kernels are measured by the same code.

import type { Device, DeviceVector, Program, Plan, Step, Value } from "../../src/device/device.ts";
import { createReferenceDevice } from "../../src/device/reference/reference-device.ts";
import { alignElements, elementCount, type TensorType } from "../../src/kernels/tensor.ts";
import { RandomStream } from "../../src/random.ts";
import type { KernelCase } from "./cases.ts";
import { summariseTimes, type Timing } from "../statistics.ts";

const SAMPLES = 15;
/** One timed sample runs the kernel this long at least, so that the clock and the call around it do not count. */
const SAMPLE_MS = 2;
const MAX_REPEATS = 2_000;
/** Relative to the largest magnitude of an output: f32 sums of up to some thousand terms in another order. */
const TOLERANCE = 2e-5;

export interface Measurement extends Timing {
  readonly correct: boolean;
  /** Largest absolute error over the largest magnitude, over all outputs. */
  readonly error: number;
  readonly kernel: string;
}

/** Measures on a device of its own, so that a hundred cases do not add up in one memory. */
export async function measureKernel(
  createDevice: () => Promise<Device>,
  kernelCase: KernelCase,
): Promise<Measurement> {
  const device = await createDevice();
  try {
    return await measureOn(device, kernelCase);
  } finally {
    device.destroy();
  }
}

async function measureOn(device: Device, kernelCase: KernelCase): Promise<Measurement> {
  const inputs = kernelCase.call.inputs.map((type, i) => randomInput(kernelCase, type, i));
  const single = await compileRepeated(device, kernelCase, 1);
  const vectors = single.inputs;
  inputs.forEach((data, i) => device.write(vectors[i]!, 0, data));
  await single.step.run();
  const error = await largestError(device, kernelCase, inputs, single.outputs);

  const startMs = performance.now();
  await single.step.run();
  const onceMs = Math.max(performance.now() - startMs, 1e-3);
  const repeats = Math.min(MAX_REPEATS, Math.max(1, Math.ceil(SAMPLE_MS / onceMs)));
  const repeated = await compileRepeated(device, kernelCase, repeats, single);
  const timesMs: number[] = [];
  // The first runs let the engine optimise and are not counted.
  for (let sample = -5; sample < SAMPLES; sample++) {
    const beginMs = performance.now();
    await repeated.step.run();
    if (sample >= 0) timesMs.push((performance.now() - beginMs) / repeats);
  }
  return {
    ...summariseTimes(timesMs),
    correct: error <= TOLERANCE,
    error,
    kernel: single.step.kernelNames[0] ?? "none",
  };
}

interface CompiledCase {
  readonly step: Step;
  readonly inputs: readonly DeviceVector[];
  readonly outputs: readonly DeviceVector[];
}

/** A program that runs the case's instruction `repeats` times over the same operands. */
async function compileRepeated(
  device: Device,
  { op, call }: KernelCase,
  repeats: number,
  memory?: CompiledCase,
): Promise<CompiledCase> {
  const types = [...call.inputs, ...call.outputs];
  const names = types.map((_, i) => `operand.${i}`);
  const values = types.map((type, i): Value => ({
    type,
    name: names[i]!,
    place: { kind: "vector", vector: names[i]!, offset: 0 },
  }));
  const ids = types.map((_, i) => i);
  const instruction = {
    op,
    params: call.params,
    inputs: ids.slice(0, call.inputs.length),
    outputs: ids.slice(call.inputs.length),
  };
  const sizes = types.map((type) => alignElements(elementCount(type)));
  const program: Program = {
    values,
    instructions: Array.from({ length: repeats }, () => instruction),
    vectors: Object.fromEntries(names.map((name, i) => [name, sizes[i]!])),
  };
  const plan: Plan = { offsets: types.map(() => -1), arenaElements: 0 };
  const vectors = memory
    ? [...memory.inputs, ...memory.outputs]
    : sizes.map((elements, i) => device.alloc(elements, names[i]!));
  const step = await device.compile(
    program,
    plan,
    Object.fromEntries(names.map((name, i) => [name, vectors[i]!])),
  );
  return { step, inputs: vectors.slice(0, call.inputs.length), outputs: vectors.slice(call.inputs.length) };
}

async function largestError(
  device: Device,
  kernelCase: KernelCase,
  inputs: readonly (Float32Array | Int32Array)[],
  outputs: readonly DeviceVector[],
): Promise<number> {
  const oracle = createReferenceDevice({ precision: "f64" });
  const expected = await compileRepeated(oracle, kernelCase, 1);
  inputs.forEach((data, i) => oracle.write(expected.inputs[i]!, 0, data));
  await expected.step.run();
  let worst = 0;
  for (const [i, type] of kernelCase.call.outputs.entries()) {
    const got = await device.readF32(outputs[i]!);
    const want = await oracle.readF32(expected.outputs[i]!);
    let scale = 1e-6;
    let error = 0;
    for (let j = 0; j < elementCount(type); j++) {
      scale = Math.max(scale, Math.abs(want[j]!));
      error = Math.max(error, Number.isNaN(got[j]!) ? Infinity : Math.abs(got[j]! - want[j]!));
    }
    worst = Math.max(worst, error / scale);
  }
  oracle.destroy();
  return worst;
}

/** Values around zero; labels are classes; hyperparameters and second moments are what an optimiser would have. */
function randomInput({ op, call }: KernelCase, type: TensorType, index: number): Float32Array | Int32Array {
  const random = new RandomStream(1, `bench:${op.name}:${index}`);
  const count = elementCount(type);
  if (type.dtype === "i32") {
    const classes = call.inputs[0]!.shape.at(-1)!;
    return Int32Array.from({ length: count }, () => random.nextInt(classes));
  }
  if (op.name.endsWith("-update") && index === call.inputs.length - 1) {
    return Float32Array.of(1e-3, 0.9, 0.999, 1e-8, 1e-4, 0.1, 0.001, 0);
  }
  const positive = op.name === "adam-update" && index === 3;
  return Float32Array.from({ length: count }, () => (positive ? random.nextUniform() : random.nextNormal()));
}
