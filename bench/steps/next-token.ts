// `node bench/steps/next-token.ts`: tokens per second that text models write, one position at a time and by a pass over the
// whole context for every token, in turns, on the same window that moves on by half a context where it is full.

import { Replica } from "../../src/algorithms/replica.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { gpt, gptNano, type GptSizes } from "../../src/models/gpt.ts";
import { RandomStream } from "../../src/random.ts";
import { median } from "../statistics.ts";

const VOCABULARY = 65;
const ROUNDS = 3;
const TOLERANCE = 1e-5;

/** Sizes, context and tokens to write in a round. */
const MODELS: readonly (readonly [string, GptSizes, number, number])[] = [
  ["gpt-nano", gptNano, 64, 192],
  ["6 layers, 6 heads, 384 features", { layers: 6, heads: 6, width: 384 }, 256, 16],
];

type Outputs = (window: readonly number[]) => Promise<Float32Array>;

/** Writes the likeliest tokens and returns them with the seconds that it took. */
async function write(outputs: Outputs, context: number, tokens: number) {
  const text = [0];
  let begin = 0;
  const beganMs = performance.now();
  while (text.length <= tokens) {
    if (text.length - begin > context) begin = text.length - context / 2;
    const probabilities = await outputs(text.slice(begin));
    text.push(probabilities.indexOf(Math.max(...probabilities)));
  }
  return { text, seconds: (performance.now() - beganMs) / 1e3 };
}

for (const [name, sizes, context, tokens] of MODELS) {
  const device = await createWasmDevice();
  const topology = gpt(name, sizes, { inputShape: [context], outputs: VOCABULARY, tokens: true });
  const replica = new Replica({ device, topology, loss: "softmax-cross-entropy", seed: 1 });
  const random = new RandomStream(1, "bench:next-token");
  // Far from zero, so that texts do not repeat themselves.
  replica.write(
    "parameters",
    Float32Array.from({ length: replica.parameters.length }, () => 0.1 * random.nextNormal()),
  );
  const next = replica.nextToken();
  const x = new Int32Array(context);
  const byPass: Outputs = async (window) => {
    x.set(window);
    const outputs = await replica.runPrediction(1, x);
    return outputs.subarray((window.length - 1) * VOCABULARY, window.length * VOCABULARY);
  };
  let largest = 0;
  const compare: Outputs = async (window) => {
    const outputs = (await next.after(window)).slice();
    (await byPass(window)).forEach((p, i) => (largest = Math.max(largest, Math.abs(p - outputs[i]!))));
    return outputs;
  };
  await write(compare, context, tokens);
  if (largest > TOLERANCE)
    throw new Error(`${name}: expected equal probabilities, got ${largest} between them`);
  const rates = { byPosition: [] as number[], byPass: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    rates.byPosition.push(tokens / (await write((window) => next.after(window), context, tokens)).seconds);
    rates.byPass.push(tokens / (await write(byPass, context, tokens)).seconds);
  }
  const [byPosition, passes] = [median(rates.byPosition), median(rates.byPass)];
  console.log(
    `${name}, context ${context}: ${Math.round(byPosition)} tokens/s, by passes ${Math.round(passes)}: ` +
      `${(byPosition / passes).toFixed(1)} times; probabilities differ by ${largest.toExponential(1)}`,
  );
  device.destroy();
}
