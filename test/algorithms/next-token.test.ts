// What comes next in a text, position by position, is what the whole model says of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { NextToken } from "../../src/algorithms/next-token.ts";
import { Replica } from "../../src/algorithms/replica.ts";
import type { Device } from "../../src/device/device.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { dense, flatten, sequential, tokenAndPositionEmbedding } from "../../src/models/compose.ts";
import { gpt } from "../../src/models/gpt.ts";
import type { Topology } from "../../src/models/topology.ts";
import { RandomStream } from "../../src/random.ts";
import { createTestGpu, needsGpu } from "../support/gpu.ts";

const [CONTEXT, VOCABULARY] = [21, 13];

function topology(): Topology {
  const io = { inputShape: [CONTEXT], outputs: VOCABULARY, tokens: true };
  return gpt("gpt-nano", { layers: 2, heads: 3, width: 30 }, io);
}

/** With parameters so far from zero that every position matters. */
function replicaOn(device: Device, model: Topology): Replica {
  const replica = new Replica({ device, topology: model, loss: "softmax-cross-entropy", seed: 1 });
  const random = new RandomStream(7, "parameters");
  const parameters = Float32Array.from(
    { length: replica.parameters.length },
    () => 0.3 * random.nextNormal(),
  );
  replica.write("parameters", parameters);
  return replica;
}

/** The same by the model's pass over all positions. */
async function whole(replica: Replica, text: readonly number[]): Promise<Float32Array> {
  const x = new Int32Array(CONTEXT);
  x.set(text);
  const outputs = await replica.runPrediction(1, x);
  return outputs.slice((text.length - 1) * VOCABULARY, text.length * VOCABULARY);
}

function assertClose(actual: Float32Array, expected: Float32Array, where: string): void {
  assert.equal(actual.length, expected.length);
  const largest = Math.max(...actual.map((value, i) => Math.abs(value - expected[i]!)));
  assert.ok(largest < 1e-5, `${where}: off by ${largest}`);
}

async function agrees(replica: Replica, next: NextToken, text: readonly number[]): Promise<Float32Array> {
  const outputs = (await next.after(text)).slice();
  assertClose(outputs, await whole(replica, text), text.join());
  return outputs;
}

const random = new RandomStream(3, "text");
const text = Array.from({ length: CONTEXT }, () => random.nextInt(VOCABULARY));

async function checkOn(device: Device): Promise<void> {
  const replica = replicaOn(device, topology());
  const next = replica.nextToken();
  // From a prompt of five to the full context.
  for (let length = 5; length <= CONTEXT; length++) await agrees(replica, next, text.slice(0, length));
  // Another text of the same length, one that is longer by two, an earlier one again, and from there one on.
  const other = text.map((token) => (token + 1) % VOCABULARY);
  for (const length of [9, 11, 4, 5]) await agrees(replica, next, other.slice(0, length));
  await agrees(replica, next, text.slice(0, 6));
}

test("a text that grows token by token gets what the whole pass says, and so does any other in between", async () => {
  const device = await createWasmDevice();
  await checkOn(device);
  device.destroy();
});

test("on a GPU too", needsGpu, async () => {
  const device = await createTestGpu();
  await checkOn(device);
  device.destroy();
});

test("a text that is given again is computed anew, by the parameters as they are", async () => {
  const device = await createWasmDevice();
  const replica = replicaOn(device, topology());
  const next = replica.nextToken();
  const before = await agrees(replica, next, text.slice(0, 8));
  await replica.reset();
  const after = await agrees(replica, next, text.slice(0, 8));
  assert.notDeepEqual(before, after);
  device.destroy();
});

test("a model that mixes positions otherwise than by attention is computed as a whole", async () => {
  const embeddings = {
    vocabularySize: VOCABULARY,
    sequenceLength: CONTEXT,
    embeddingDim: 4,
    embeddingsInitializer: { className: "RandomNormal", stddev: 1 },
  } as const;
  const mixing = sequential(
    "mixing",
    [CONTEXT],
    [tokenAndPositionEmbedding(embeddings), flatten(), dense(CONTEXT * VOCABULARY)],
  );
  const device = await createWasmDevice();
  const replica = replicaOn(device, mixing);
  const next = replica.nextToken();
  for (let length = 1; length <= 4; length++) await agrees(replica, next, text.slice(0, length));
  device.destroy();
});
