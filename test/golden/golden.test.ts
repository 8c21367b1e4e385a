// Whole training programs against values that PyTorch made (make.py): losses of ten steps, gradients of the first.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Device } from "../../src/device/device.ts";
import { createReferenceDevice } from "../../src/device/reference/reference-device.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { playGolden, readGolden, sampleIndex, type GoldenGradient } from "./golden-case.ts";

/** The reference is the slow one: four steps have the momentum of three. */
const devices: readonly { readonly create: () => Device | Promise<Device>; readonly steps: number }[] = [
  { create: () => createReferenceDevice({ precision: "f32" }), steps: 4 },
  { create: () => createWasmDevice(), steps: 10 },
];

const cases = [
  { name: "mlp", model: "mlp", inputShape: [28, 28, 1], outputs: 10 },
  { name: "lenet5", model: "lenet5", inputShape: [28, 28, 1], outputs: 10 },
  { name: "feng-a", model: "feng-a", inputShape: [20], outputs: 1 },
  {
    name: "tanh-avg-pool",
    model: fileURLToPath(new URL("tanh-avg-pool.model.json", import.meta.url)),
    inputShape: [11, 9, 3],
    outputs: 3,
  },
];

for (const { create, steps } of devices) {
  const device = await create();
  suite(`the ${device.name} device trains as PyTorch does`, () => {
    for (const { name, model, inputShape, outputs } of cases) {
      test(`${name}: ${steps} losses and the first gradients are PyTorch's`, async () => {
        const golden = await readGolden(name);
        const topology = await loadModel(model, { inputShape, outputs });
        const run = await playGolden(device, topology, golden, steps);
        assert.equal(run.losses.length, steps);
        for (const [step, loss] of run.losses.entries()) {
          const expected = golden.losses[step]!;
          expectClose(loss, expected, 1e-4 * expected, `loss of step ${step}`);
        }
        assert.deepEqual([...run.gradients.keys()], Object.keys(golden.gradients));
        for (const [parameter, expected] of Object.entries(golden.gradients)) {
          expectGradient(run.gradients.get(parameter)!, expected, `gradient of ${parameter}`);
        }
      });
    }
  });
}

function expectGradient(gradient: Float32Array, golden: GoldenGradient, what: string): void {
  assert.equal(gradient.length, golden.length, `length of the ${what}`);
  const count = golden.samples.length;
  for (const [index, expected] of golden.samples.entries()) {
    const at = sampleIndex(index, count, golden.length);
    expectClose(gradient[at]!, expected, 1e-3 * golden.max, `${what}[${at}]`);
  }
  let [sum, squares, max] = [0, 0, 0];
  for (const element of gradient) {
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
