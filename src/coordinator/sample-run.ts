// Text that a finished run's model goes on with, a token at a time. A function of model, prompt and settings: the same seed
// gives the same text.

import { decoderOf, encoderOf } from "../data/vocabulary.ts";
import type { DeviceRequest } from "../device/open-device.ts";
import { SltrainError } from "../errors.ts";
import { RandomStream } from "../random.ts";
import { readRun } from "../run/registry.ts";
import type { Storage } from "../storage/storage.ts";
import { openTrainedModel } from "./trained-model.ts";

export interface SampleOptions {
  readonly storage: Storage;
  readonly runId: string;
  /** What the text begins with; of a long one the model sees the end. Empty: it begins as after a line's end. */
  readonly prompt: string;
  /** To add to it. */
  readonly tokens: number;
  /** Above 0: below 1 likely tokens become likelier, above 1 less so. 0: always the likeliest. */
  readonly temperature: number;
  /** Only so many of the likeliest tokens can come; absent: any. */
  readonly topK?: number | undefined;
  readonly seed: number;
  /** Default: what the run was trained on, where that is here. */
  readonly device?: DeviceRequest | undefined;
}

/**
 * Pieces of text, without the prompt. Throws "run-unknown", "model-missing", "data-vocabulary" naming a character of the
 * prompt that the model does not know, and "model-data-mismatch" for a model of anything but text.
 */
export async function* sampleRun(options: SampleOptions): AsyncGenerator<string> {
  const { storage, runId, prompt, tokens, seed, device } = options;
  const { manifest } = await readRun(storage, runId);
  const { task, classNames: vocabulary = [] } = manifest.data;
  if (task !== "next-token") {
    throw new SltrainError({
      code: "model-data-mismatch",
      message: `${runId}: expected a model of text, got ${manifest.topology.name} trained on ${manifest.data.name}`,
      suggestions: ["Ask it about a file: `sltrain predict RUN FILE`."],
    });
  }
  const context = manifest.topology.inputShape[0]!;
  const encode = encoderOf(vocabulary);
  const decode = decoderOf(vocabulary);
  const begin = prompt === "" && vocabulary.includes("\n") ? "\n" : prompt;
  const text = [...encode(begin)];
  if (text.length === 0) text.push(0);
  const random = new RandomStream(seed, "sample");
  const { replica, close } = await openTrainedModel(storage, manifest, device);
  try {
    const x = new Int32Array(context);
    for (let added = 0; added < tokens; added++) {
      const seen = text.slice(-context);
      // What lies behind the last token is not seen from it.
      x.set(seen);
      const outputs = await replica.runPrediction(1, x);
      const last = (seen.length - 1) * vocabulary.length;
      const token = drawToken(outputs.subarray(last, last + vocabulary.length), options, random);
      text.push(token);
      yield decode(token);
    }
  } finally {
    close();
  }
}

/** One of the `topK` likeliest tokens, with probabilities in proportion to p^(1 / temperature). */
export function drawToken(
  probabilities: Float32Array,
  { temperature, topK = probabilities.length }: Pick<SampleOptions, "temperature" | "topK">,
  random: RandomStream,
): number {
  // Of equal ones the first, as sorting is stable.
  const likeliest = [...probabilities.keys()].sort((a, b) => probabilities[b]! - probabilities[a]!);
  if (temperature === 0) return likeliest[0]!;
  const kept = likeliest.slice(0, topK);
  const most = probabilities[kept[0]!]!;
  const weights = kept.map((token) => (probabilities[token]! / most) ** (1 / temperature));
  let left = random.nextUniform() * weights.reduce((sum, weight) => sum + weight, 0);
  return kept[weights.findIndex((weight) => (left -= weight) < 0)] ?? kept[0]!;
}
