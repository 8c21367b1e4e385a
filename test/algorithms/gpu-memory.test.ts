import assert from "node:assert/strict";
import { test } from "node:test";
import { type GpuLimits, refuseWithoutGpuMemory } from "../../src/algorithms/gpu-memory.ts";
import { buildTrainingStep, type TrainingJob } from "../../src/algorithms/training-memory.ts";
import { SltrainError } from "../../src/errors.ts";
import { elementCount } from "../../src/kernels/tensor.ts";
import { builtinModels } from "../../src/models/builtin.ts";
import { optimizerOf } from "../../src/optim/optimizer.ts";

const topology = builtinModels
  .find(({ name }) => name === "lenet5")!
  .topology({ inputShape: [28, 28, 1], outputs: 10 });
const job: TrainingJob = {
  topology,
  loss: "softmax-cross-entropy",
  optimizer: optimizerOf({ optimizer: "sgd", lr: 0.1 }),
};
const roomy: GpuLimits = { name: "a GPU", maxBufferSize: 2 ** 32, maxStorageBufferBindingSize: 2 ** 31 };

const arenaBytes = (count: number) => buildTrainingStep(job, count).plan.arenaElements * 4;
const largestValueBytes = (count: number) =>
  4 * Math.max(...buildTrainingStep(job, count).program.values.map(({ type }) => elementCount(type)));

function refusal(count: number, limits: Partial<GpuLimits>, of = job): SltrainError {
  try {
    refuseWithoutGpuMemory(of, count, { ...roomy, ...limits });
  } catch (error) {
    assert.ok(error instanceof SltrainError);
    return error;
  }
  return assert.fail("it fits");
}

test("what fits is not refused", () => {
  refuseWithoutGpuMemory(job, 128, roomy);
  refuseWithoutGpuMemory(job, 33, { ...roomy, maxBufferSize: arenaBytes(33) });
  // Values of fewer samples are smaller than the parameters.
  refuseWithoutGpuMemory(job, 90, { ...roomy, maxStorageBufferBindingSize: largestValueBytes(90) });
});

test("activations beyond a buffer are refused, with the largest count that fits", () => {
  const { code, message, suggestions } = refusal(128, { maxBufferSize: arenaBytes(33) });
  assert.equal(code, "out-of-memory");
  assert.match(message, /fit a GPU, which has .* for a buffer, got 128 samples.*activations.*at most 33 fit/);
  assert.match(suggestions[0]!, /at most 33 samples per worker/);
});

test("a tensor beyond what a kernel reaches is refused by its name", () => {
  const { message } = refusal(256, { maxStorageBufferBindingSize: largestValueBytes(90) });
  assert.match(message, /for what a kernel reaches of a buffer.*values of .* need .*at most 90 fit/);
});

/** WebGPU's, which every adapter has, but for the buffer. */
const least: Partial<GpuLimits> = { maxStorageBufferBindingSize: 2 ** 27 };
const vgg19 = (side: number): TrainingJob => {
  const { topology } = builtinModels.find(({ name }) => name === "vgg19")!;
  return { ...job, topology: topology({ inputShape: [side, side, 3], outputs: 10 }) };
};

test("a model fits an adapter that reaches each of its tensors, however large all of them are", () => {
  const parameters = buildTrainingStep(vgg19(32), 1).parameters.length;
  assert.ok(parameters * 4 > least.maxStorageBufferBindingSize!);
  refuseWithoutGpuMemory(vgg19(32), 8, { ...roomy, ...least });
});

test("a tensor that no batch makes smaller is named", () => {
  const { message } = refusal(8, least, vgg19(224));
  assert.match(message, /8 samples per worker; not even one fits, whose values of dense.* need 392 MiB/);
});

test("a model that no batch makes fit is said to be too large", () => {
  const { message, suggestions } = refusal(8, { maxBufferSize: 4096 });
  assert.match(message, /not even one fits/);
  assert.match(suggestions[0]!, /smaller model/);
});
