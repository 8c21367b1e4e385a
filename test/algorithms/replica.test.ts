import assert from "node:assert/strict";
import { test } from "node:test";
import type { Batch } from "../../src/algorithms/batch.ts";
import { Replica } from "../../src/algorithms/replica.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { builtinModels } from "../../src/models/builtin.ts";

const lenet = builtinModels.find(({ name }) => name === "lenet5")!;

async function lossOf(pixel: number): Promise<number> {
  const topology = lenet.topology({ inputShape: [12, 12, 1], outputs: 3 });
  const device = await createWasmDevice();
  const replica = new Replica({ device, topology, loss: "softmax-cross-entropy", seed: 5 });
  const x = Float32Array.from({ length: 4 * 144 }, (_, i) => Math.sin(i));
  x[200] = pixel;
  const labels = Int32Array.of(0, 1, 2, 0);
  const batch: Batch = { count: 4, x, labels, step: 17, sampleOffset: 0 };
  return (await replica.runTraining(batch)).loss;
}

test("a loss that is not finite stops the step, however deep the bad number went in", async () => {
  assert.ok(Number.isFinite(await lossOf(0.5)));
  for (const pixel of [Number.NaN, Infinity, -Infinity])
    await assert.rejects(lossOf(pixel), {
      code: "loss-not-finite",
      message: /^expected a finite loss, got (NaN|Infinity) in step 17$/,
    });
});
