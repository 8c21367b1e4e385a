// One kernel on one device: right first, then timed. Works through the device contract alone, so that every device's
// kernels are measured by the same code.

import type { Device, DeviceVector, Program, Plan, Step, Value } from "../../src/device/device.ts";
import { alignElements, elementCount } from "../../src/kernels/tensor.ts";
import { summariseTimes, type Timing } from "../statistics.ts";
import type { StepTimer, Testbed } from "../testbeds/testbed.ts";
import type { KernelCase } from "./cases.ts";
import { largestError } from "./check.ts";
import type { Operand } from "./fitting-operands.ts";
import { operandsOf } from "./operands.ts";

export interface TimingPlan {
  readonly samples: number;
  /** One timed sample runs the kernel this long at least, so that the clock and the call around it do not count. */
  readonly sampleMs: number;
  /** Long kernels get fewer samples, but three at least. */
  readonly budgetMs: number;
}

export const thorough: TimingPlan = { samples: 15, sampleMs: 2, budgetMs: 250 };
export const quick: TimingPlan = { samples: 7, sampleMs: 1, budgetMs: 50 };

const MIN_SAMPLES = 3;
const MAX_REPEATS = 2_000;
/** The engine optimises in the background while these run; they are not counted. */
const WARM_UP_SAMPLES = 5;
const WARM_UP_MS = 100;
const MIN_WARM_UP_SAMPLES = 1;

/**
 * By kind of kernel, for the errors of check.ts: sums of some thousand f32 terms in another order; Winograd's transforms
 * round a few times more, those of F(4x4, 3x3) with factors of up to 8; f16 has 11 bits of each operand; elsewhere approximations of functions.
 */
const TOLERANCES: readonly (readonly [kernel: RegExp, tolerance: number])[] = [
  [/^f16-/, 1e-3],
  [/-winograd-4x4-/, 5e-6],
  [/^f32-(dense|matmul|conv2d|depthwise-conv2d|column-sum)-/, 2e-6],
  [/./, 2e-5],
];

export interface Measurement extends Timing {
  readonly correct: boolean;
  /** Largest absolute error over the largest magnitude, over all outputs. */
  readonly error: number;
  readonly kernel: string;
}

/** Throws SltrainError "kernel-missing" where the device has no kernel for the case. */
export function measureKernel(
  testbed: Testbed,
  kernelCase: KernelCase,
  plan: TimingPlan,
): Promise<Measurement> {
  return testbed.use((device, timeMs) => measureOn(device, timeMs, kernelCase, plan));
}

async function measureOn(
  device: Device,
  timeMs: StepTimer,
  kernelCase: KernelCase,
  plan: TimingPlan,
): Promise<Measurement> {
  const inputs = operandsOf(kernelCase);
  const single = await compileRepeated(device, kernelCase, 1);
  inputs.forEach((data, i) => device.write(single.inputs[i]!, 0, data));
  await single.step.run();
  const outputs: Operand[] = [];
  for (const [i, type] of kernelCase.call.outputs.entries()) {
    const values = await device.readF32(single.outputs[i]!);
    outputs.push(
      type.dtype === "i32" ? new Int32Array(values.buffer, values.byteOffset, values.length) : values,
    );
  }
  const error = largestError(kernelCase, inputs, outputs);
  const kernel = single.step.kernelNames[0]!;
  const tolerance = TOLERANCES.find(([name]) => name.test(kernel))![1];
  const timing = await time(device, timeMs, kernelCase, plan, single);
  return { ...timing, correct: error <= tolerance, error, kernel };
}

async function time(
  device: Device,
  timeMs: StepTimer,
  kernelCase: KernelCase,
  plan: TimingPlan,
  single: CompiledCase,
): Promise<Timing> {
  const onceMs = Math.max(await timeMs(single.step), 1e-3);
  const repeats = Math.min(MAX_REPEATS, Math.max(1, Math.ceil(plan.sampleMs / onceMs)));
  const { step } = repeats === 1 ? single : await compileRepeated(device, kernelCase, repeats, single);
  const timesMs: number[] = [];
  const runFor = async (most: number, least: number, budgetMs: number): Promise<void> => {
    const endMs = performance.now() + budgetMs;
    timesMs.length = 0;
    while (timesMs.length < least || (timesMs.length < most && performance.now() < endMs)) {
      timesMs.push((await timeMs(step)) / repeats);
    }
  };
  await runFor(WARM_UP_SAMPLES, MIN_WARM_UP_SAMPLES, WARM_UP_MS);
  await runFor(plan.samples, MIN_SAMPLES, plan.budgetMs);
  return summariseTimes(timesMs);
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
