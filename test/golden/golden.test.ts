// Whole training programs against values that PyTorch made (make.py): losses of ten steps, gradients of the first.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Device } from "../../src/device/device.ts";
import { createReferenceDevice } from "../../src/device/reference/reference-device.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { mobileNet } from "../../src/models/mobilenet.ts";
import { resNet, resNet20, resNet32, resNet34, resNet50, smallResNet } from "../../src/models/resnet.ts";
import type { Topology } from "../../src/models/topology.ts";
import { vgg, vgg19 } from "../../src/models/vgg.ts";
import { playGolden, readGolden, sampleIndex, type GoldenTensor } from "./golden-case.ts";

/** The reference is the slow one: three steps have the momentum of two. */
const devices: readonly { readonly create: () => Device | Promise<Device>; readonly steps: number }[] = [
  { create: () => createReferenceDevice({ precision: "f32" }), steps: 3 },
  { create: () => createWasmDevice(), steps: 10 },
];

interface Case {
  readonly name: string;
  readonly topology: Topology;
}

async function loaded(name: string, inputShape: readonly number[], outputs: number): Promise<Case> {
  return { name, topology: await loadModel(name, { inputShape, outputs }) };
}

/** Deep models are thin ones here, and shallow where rounding errors would grow. */
const cases: readonly Case[] = [
  await loaded("mlp", [28, 28, 1], 10),
  await loaded("lenet5", [28, 28, 1], 10),
  await loaded("feng-a", [20], 1),
  {
    name: "tanh-avg-pool",
    topology: await loadModel(fileURLToPath(new URL("tanh-avg-pool.model.json", import.meta.url)), {
      inputShape: [11, 9, 3],
      outputs: 3,
    }),
  },
  await loaded("cifar-cnn", [8, 9, 3], 10),
  {
    name: "resnet20",
    topology: smallResNet("resnet20", { ...resNet20, width: 8 }, { inputShape: [9, 8, 1], outputs: 10 }),
  },
  {
    name: "resnet32",
    topology: smallResNet("resnet32", { ...resNet32, width: 4 }, { inputShape: [8, 9, 3], outputs: 10 }),
  },
  {
    name: "resnet34",
    topology: resNet(
      "resnet34",
      { ...resNet34, blocks: [2, 3, 2, 2], width: 4 },
      { inputShape: [33, 32, 3], outputs: 10 },
    ),
  },
  {
    name: "resnet50",
    topology: resNet(
      "resnet50",
      { ...resNet50, blocks: [1, 2, 1, 1], width: 4 },
      { inputShape: [32, 33, 3], outputs: 10 },
    ),
  },
  {
    name: "mobilenet",
    topology: mobileNet("mobilenet", { alpha: 0.125, blocks: 6 }, { inputShape: [32, 33, 3], outputs: 10 }),
  },
  {
    name: "vgg19",
    topology: vgg("vgg19", { ...vgg19, width: 2, units: 16 }, { inputShape: [32, 32, 3], outputs: 10 }),
  },
];

for (const { create, steps } of devices) {
  const device = await create();
  suite(`the ${device.name} device trains as PyTorch does`, () => {
    for (const { name, topology } of cases) {
      test(`${name}: ${steps} losses and the first step's gradients and statistics are PyTorch's`, async () => {
        const golden = await readGolden(name);
        const run = await playGolden(device, topology, golden, steps);
        assert.equal(run.losses.length, steps);
        for (const [step, loss] of run.losses.entries()) {
          const expected = golden.losses[step]!;
          expectClose(loss, expected, 1e-4 * expected, `loss of step ${step}`);
        }
        expectClose(
          run.evaluationLoss,
          golden.evaluationLoss,
          1e-4 * golden.evaluationLoss,
          "evaluated loss",
        );
        for (const kind of ["gradients", "statistics"] as const) {
          assert.deepEqual([...run[kind].keys()], Object.keys(golden[kind]));
          for (const [tensor, expected] of Object.entries(golden[kind])) {
            expectTensor(run[kind].get(tensor)!, expected, `${tensor} in the ${kind}`);
          }
        }
      });
    }
  });
}

function expectTensor(tensor: Float32Array, golden: GoldenTensor, what: string): void {
  assert.equal(tensor.length, golden.length, `length of the ${what}`);
  const count = golden.samples.length;
  for (const [index, expected] of golden.samples.entries()) {
    const at = sampleIndex(index, count, golden.length);
    expectClose(tensor[at]!, expected, 1e-3 * golden.max, `${what}[${at}]`);
  }
  let [sum, squares, max] = [0, 0, 0];
  for (const element of tensor) {
    sum += element;
    squares += element * element;
    max = Math.max(max, Math.abs(element));
  }
  expectClose(Math.sqrt(squares), golden.norm, 1e-3 * golden.norm, `norm of the ${what}`);
  expectClose(max, golden.max, 1e-3 * golden.max, `largest element of the ${what}`);
  // The elements' errors add up like their magnitudes do at worst.
  expectClose(sum, golden.sum, 1e-3 * golden.norm, `sum of the ${what}`);
}

function expectClose(actual: number, expected: number, tolerance: number, what: string): void {
  assert.ok(
    Math.abs(actual - expected) <= tolerance,
    `${what}: expected ${expected} ± ${tolerance}, got ${actual}`,
  );
}
