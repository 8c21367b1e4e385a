import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { createReferenceDevice } from "../../src/device/reference/reference-device.ts";
import type { DeviceVector } from "../../src/device/device.ts";
import {
  hyperAt,
  optimizerNames,
  optimizerOf,
  type Optimizer,
  type OptimizerName,
} from "../../src/optim/optimizer.ts";
import { parseSpared, refuseUnknownTensors } from "../../src/optim/spared-tensors.ts";
import { buildUpdateProgram, MOST_UPDATED_ELEMENTS } from "../../src/optim/update-program.ts";
import type { Layout } from "../../src/shard/layout.ts";

const LENGTH = 192;
/** Two matrices, the second one from element 128. */
const LAYOUT: Layout = {
  entries: [
    { name: "first", shape: [64, 2], offset: 0, length: 128 },
    { name: "second", shape: [8, 8], offset: 128, length: 64 },
  ],
  length: LENGTH,
};
const START = [0.5, -1.5];
const GRADIENTS = [
  [1, -2],
  [0.25, 0.5],
  [-3, 1.5],
];

/**
 * Parameters [0, 2) after each step: torch 1.13, float64, lr = 0.1, weight_decay = 0.01, momentum = 0.9, betas = (0.9, 0.999),
 * eps = 1e-8. PyTorch has no LARS: You et al.'s algorithm 1 in its tensors.
 */
const torch: Readonly<Record<OptimizerName, readonly (readonly [number, number])[]>> = {
  sgd: [
    [0.3995, -1.2985],
    [0.3741005, -1.3472015],
    [0.6737263995, -1.4958542985],
  ],
  momentum: [
    [0.3995, -1.2985],
    [0.2836505, -1.1658515],
    [0.4791022995, -1.1953019985],
  ],
  nesterov: [
    [0.30905, -1.11715],
    [0.179557805, -1.046812415],
    [0.6554518146705, -1.2225250799115],
  ],
  adam: [
    [0.400000000995, -1.400000000496],
    [0.3167965119356, -1.3523196747102],
    [0.3561679607626, -1.3596305818324],
  ],
  adamw: [
    [0.399500001, -1.3985000005],
    [0.3160407487713, -1.3501546837008],
    [0.3553003756623, -1.3570783679626],
  ],
  adagrad: [
    [0.400000000995, -1.4000000004963],
    [0.3754968341645, -1.4234467612411],
    [0.470000909955, -1.4817057141588],
  ],
  lars: [
    [0.4999294347402, -1.4998585184095],
    [0.4997957919491, -1.499864577963],
    [0.4998160196781, -1.4999396982775],
  ],
};

function optimizer(name: OptimizerName): Optimizer {
  return optimizerOf({ optimizer: name, lr: 0.1, weightDecay: 0.01 });
}

/** Runs the three steps over the ranges [offset, offset + length) and returns all vectors. */
async function train(
  rule: Optimizer,
  at: number,
  ranges: readonly (readonly [offset: number, length: number])[],
): Promise<{ parameters: readonly Float64Array[]; vectors: Readonly<Record<string, Float64Array>> }> {
  const device = createReferenceDevice({ precision: "f64" });
  const names = ["parameters", "gradients", "hyper", ...rule.stateNames];
  const vectors: Record<string, DeviceVector> = Object.fromEntries(
    names.map((name) => [name, device.alloc(name === "hyper" ? 128 : LENGTH, name)]),
  );
  device.writeF64(vectors.parameters!, at, Float64Array.from(START));
  const steps = await Promise.all(
    ranges.map(([offset, length]) => {
      const { program, plan } = buildUpdateProgram(rule, LAYOUT, { stretch: { offset, length } });
      return device.compile(program, plan, vectors);
    }),
  );
  const parameters: Float64Array[] = [];
  for (const [index, gradient] of GRADIENTS.entries()) {
    device.writeF64(vectors.gradients!, at, Float64Array.from(gradient));
    device.write(vectors.hyper!, 0, hyperAt(rule, index, GRADIENTS.length));
    for (const step of steps) await step.run();
    parameters.push(device.readF64(vectors.parameters!).slice());
  }
  const contents = names.map((name) => [name, device.readF64(vectors[name]!)] as const);
  return { parameters, vectors: Object.fromEntries(contents) };
}

suite("an update is PyTorch's", () => {
  for (const name of optimizerNames) {
    test(name, async () => {
      const { parameters } = await train(optimizer(name), 0, [[0, LENGTH]]);
      for (const [step, expected] of torch[name].entries())
        for (const [i, value] of expected.entries()) {
          // hyper is float32, so its numbers are off by up to 6e-8 relative.
          const actual = parameters[step]![i]!;
          assert.ok(Math.abs(actual - value) < 2e-7, `step ${step}, parameter ${i}: ${actual} but ${value}`);
        }
    });
  }
});

const [FIRST, SECOND] = GRADIENTS as [number[], number[]];

/** torch 1.13, float64, SGD with momentum 0.9, as above: clip_grad_value_(1.5), then clip_grad_norm_(1). */
const clipped = [
  [0.4440300111467, -1.41529501672],
  [0.3682129911676, -1.3876452367513],
  [0.3703201049805, -1.4320834343281],
];

test("gradients are clipped as PyTorch clips them, by value and then by norm", async () => {
  const rule = optimizerOf({
    ...{ optimizer: "momentum", lr: 0.1, weightDecay: 0.01 },
    ...{ clipValue: 1.5, clipNorm: 1 },
  });
  const { parameters } = await train(rule, 0, [[0, LENGTH]]);
  for (const [step, expected] of clipped.entries())
    for (const [i, value] of expected.entries())
      assert.ok(Math.abs(parameters[step]![i]! - value) < 2e-7, `step ${step}, parameter ${i}`);
  assert.ok(Math.hypot(...FIRST) > 1 && Math.hypot(...SECOND) < 1, "one is clipped, another is not");
});

test("a stretch is not clipped by a norm that is not its own", () => {
  const rule = optimizerOf({ optimizer: "sgd", lr: 0.1, clipNorm: 1 });
  assert.throws(
    () => buildUpdateProgram(rule, LAYOUT, { stretch: { offset: 0, length: 128 } }),
    /that of all gradients/,
  );
});

test("spared tensors do not decay, in as few updates as that takes", async () => {
  const decayed = torch.momentum[2]!;
  // torch 1.13 with weight_decay = 0 for it.
  const spared = [0.4815, -1.203];
  for (const [spec, atFirst] of [
    ["first", spared],
    ["sec*", decayed],
  ] as const) {
    const rule = optimizerOf({ optimizer: "momentum", lr: 0.1, weightDecay: 0.01, decayExcept: spec });
    const { parameters } = await train(rule, 0, [[0, LENGTH]]);
    for (const [i, value] of atFirst.entries())
      assert.ok(
        Math.abs(parameters[2]![i]! - value) < 2e-7,
        `${spec}: parameter ${i} is ${parameters[2]![i]}`,
      );
  }
  const layout: Layout = {
    entries: [
      ...[{ name: "conv2d/kernel", shape: [3, 3, 1, 8], offset: 0, length: 72 }],
      ...[{ name: "conv2d/bias", shape: [8], offset: 128, length: 8 }],
      ...[{ name: "batch_normalization/gamma", shape: [8], offset: 192, length: 8 }],
      ...[{ name: "dense/kernel", shape: [8, 8], offset: 256, length: 64 }],
    ],
    length: 320,
  };
  const settings = { optimizer: "sgd", lr: 0.1, weightDecay: 0.01 } as const;
  const lengthsOf = (decayExcept: string): number[] => {
    const { program } = buildUpdateProgram(optimizerOf({ ...settings, decayExcept }), layout);
    return program.instructions.map(({ inputs }) => program.values[inputs[0]!]!.type.shape[0]!);
  };
  assert.deepEqual(lengthsOf("vectors"), [128, 128, 64]);
  assert.deepEqual(lengthsOf("gamma"), [192, 64, 64]);
  assert.deepEqual(lengthsOf("conv2d/*,dense/kernel"), [192, 64, 64]);
  assert.throws(() => refuseUnknownTensors(parseSpared("bias,gama"), layout), {
    code: "tensors-unknown",
    message: /got gama/,
  });
});

test("an update of one chunk leaves the rest alone, and chunks together are the whole", async () => {
  for (const name of optimizerNames) {
    const whole = await train(optimizer(name), 127, [[0, LENGTH]]);
    const chunks = await train(optimizer(name), 127, [
      [128, 64],
      [0, 128],
    ]);
    assert.deepEqual(chunks, whole, name);
    const other = await train(optimizer(name), 127, [[0, 128]]);
    assert.equal(other.parameters[2]![128], START[1], name);
  }
});

test("a long vector is updated in pieces that any GPU's kernels reach, which together are the vector", () => {
  const length = 2 * MOST_UPDATED_ELEMENTS + 64;
  const layout: Layout = { entries: [{ name: "long", shape: [length], offset: 0, length }], length };
  const clipped = optimizerOf({ optimizer: "sgd", lr: 0.1, clipValue: 1 });
  const { program } = buildUpdateProgram(clipped, layout, { ofSums: true });
  for (const name of ["divide", "clip-value", "sgd-update"]) {
    const pieces = program.instructions.filter(({ op }) => op.name === name);
    const gradients = pieces.map(({ inputs }) => program.values[inputs[name === "sgd-update" ? 1 : 0]!]!);
    const lengths = gradients.map(({ type }) => type.shape[0]);
    assert.deepEqual(lengths, [MOST_UPDATED_ELEMENTS, MOST_UPDATED_ELEMENTS, 64], name);
    const offsets = gradients.map(({ place }) => place.kind === "vector" && place.offset);
    assert.deepEqual(offsets, [0, MOST_UPDATED_ELEMENTS, 2 * MOST_UPDATED_ELEMENTS], name);
  }
});

test("padding stays zero under every optimiser", async () => {
  for (const name of optimizerNames) {
    const { vectors } = await train(optimizer(name), 0, [[0, LENGTH]]);
    for (const vector of ["parameters", ...optimizer(name).stateNames])
      assert.ok(
        vectors[vector]!.subarray(2).every((value) => value === 0),
        `${name}: ${vector}`,
      );
  }
});

test("hyper holds the rate of the step and Adam's bias corrections counted from one", () => {
  const adam = optimizerOf({
    optimizer: "adam",
    lr: 0.5,
    momentum: 0.75,
    beta2: 0.875,
    weightDecay: 2,
    warmupSteps: 4,
  });
  const expected = [0.25, 0.75, 0.875, 1e-8, 2, 1 - 0.75 ** 2, 1 - 0.875 ** 2, 0.001];
  assert.deepEqual(hyperAt(adam, 1, 100), Float32Array.from(expected));
});

test("LARS leaves biases their plain momentum, and refuses a stretch that cuts a tensor", () => {
  const bias: Layout = { entries: [{ name: "bias", shape: [2], offset: 0, length: 2 }], length: 64 };
  const { program } = buildUpdateProgram(optimizer("lars"), bias);
  assert.deepEqual(
    program.instructions.map(({ op, inputs }) => [op.name, inputs.length]),
    [["lars-update", 4]],
  );
  assert.throws(
    () => buildUpdateProgram(optimizer("lars"), LAYOUT, { stretch: { offset: 0, length: 64 } }),
    /first is cut at 64/,
  );
});
