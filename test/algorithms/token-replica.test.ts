// A model of tokens, fed by the reader of batches: what parts of a batch give is what the whole gives, so that any number
// of workers learns the same.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BatchReader } from "../../src/algorithms/batch-reader.ts";
import { Replica } from "../../src/algorithms/replica.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { gpt } from "../../src/models/gpt.ts";
import { RandomStream } from "../../src/random.ts";

const [ROWS, CONTEXT, VOCABULARY] = [12, 10, 7];

test("the gradients of a batch of tokens are the sums of its parts' gradients, and so are loss and right answers", async () => {
  const random = new RandomStream(1, "tokens");
  const features = Uint8Array.from({ length: ROWS * (CONTEXT + 1) }, () => random.nextInt(VOCABULARY));
  const reader = new BatchReader({
    ...{ features, featureShape: [CONTEXT + 1], task: "next-token", labels: new Int32Array(0) },
    transform: { scale: [1], offset: [0] },
  });
  const device = await createWasmDevice();
  const topology = gpt(
    "gpt-nano",
    { layers: 2, heads: 2, width: 8 },
    { inputShape: [CONTEXT], outputs: VOCABULARY, tokens: true },
  );
  const replica = new Replica({ device, topology, loss: "softmax-cross-entropy", seed: 1 });
  const order = random.permutation(ROWS);
  const train = async (begin: number, end: number) => {
    const batch = reader.read(order, begin, end, replica.wantsTargets);
    const sums = await replica.runTraining({ ...batch, step: 0, sampleOffset: begin });
    return { ...sums, gradients: (await replica.read("gradients")).slice() };
  };
  const whole = await train(0, ROWS);
  const [first, second] = [await train(0, 5), await train(5, ROWS)];

  // A sample's loss is the mean over its positions: about ln 7 at the beginning.
  assert.ok(Math.abs(whole.loss / ROWS - Math.log(VOCABULARY)) < 0.1, String(whole.loss));
  assert.ok(Math.abs(first.loss + second.loss - whole.loss) < 1e-4);
  assert.ok(Math.abs(first.correct + second.correct - whole.correct) < 1e-5);
  const largest = whole.gradients.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  assert.ok(largest > 0.01);
  for (const [i, value] of whole.gradients.entries())
    assert.ok(Math.abs(first.gradients[i]! + second.gradients[i]! - value) <= 1e-5 * largest, `[${i}]`);
  device.destroy();
});
