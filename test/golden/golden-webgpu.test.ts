// Whole training programs on a GPU: against what PyTorch made (make.py), and the first step's gradients against those on
// the processor, which are closer.
//
// A software GPU takes half a minute of a processor to compile a model that it has not met. Deep models, whose kernels are
// those of the others in other shapes, and recipes, whose kernels have tests of their own, are left to the machine's own GPU (SLTRAIN_TEST_GPU=1) and to long runs
// (SLTRAIN_TEST_SECONDS).

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { Device } from "../../src/device/device.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { builtinModels } from "../../src/models/builtin.ts";
import { createTestGpu, needsGpu } from "../support/gpu.ts";
import { goldenCases } from "./cases.ts";
import { expectGolden } from "./expect-golden.ts";
import { playGolden, readGolden, type GoldenRun } from "./golden-case.ts";

/** Have the momentum of two. */
const STEPS = 3;
/** Of a tensor's largest element. */
const TOLERANCE = 1e-4;
const LEFT: readonly string[] = ["resnet34", "resnet50", "vgg19", "lenet5-recipe", "mlp-recipe"];

const hasTime = ["SLTRAIN_TEST_GPU", "SLTRAIN_TEST_SECONDS"].some((name) => process.env[name] !== undefined);
const left = "deep, or a recipe: SLTRAIN_TEST_SECONDS=600 runs it on a software GPU as well";

suite("the webgpu device trains as PyTorch does, and as wasm does", needsGpu, () => {
  let gpu: Device;
  let wasm: Device;
  before(async () => {
    gpu = await createTestGpu();
    wasm = await createWasmDevice();
  });
  after(() => {
    gpu.destroy();
    wasm.destroy();
  });

  for (const { name, topology } of goldenCases) {
    const title = `${name}: ${STEPS} losses are PyTorch's, the first step's gradients and statistics also those on wasm`;
    test(title, { skip: LEFT.includes(name) && !hasTime && left }, async () => {
      const golden = await readGolden(name);
      const run = await playGolden(gpu, topology, golden, STEPS);
      expectGolden(run, golden, STEPS);
      expectEqualTensors(run, await playGolden(wasm, topology, golden, 1));
    });
  }

  test("no built-in model that learns by gradients is left out here", () => {
    const tested = goldenCases.map(({ name }) => name);
    for (const { name } of builtinModels) assert.ok(tested.includes(name) || name === "kmeans", name);
  });
});

/** Gradients and statistics of the first step. */
function expectEqualTensors(got: GoldenRun, expected: GoldenRun): void {
  for (const kind of ["gradients", "statistics"] as const) {
    assert.deepEqual([...got[kind].keys()], [...expected[kind].keys()]);
    for (const [tensor, values] of expected[kind]) {
      const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      assert.ok(scale > 0 || kind === "statistics", `${tensor} has no gradient`);
      got[kind].get(tensor)!.forEach((value, i) => {
        const error = Math.abs(value - values[i]!);
        const message = `${tensor}[${i}] in the ${kind}: ${value} on webgpu but ${values[i]} on wasm`;
        assert.ok(error <= TOLERANCE * scale, message);
      });
    }
  }
}
