// Text that a finished run's model goes on with, a token at a time. A function of model, prompt and settings: the same seed
// gives the same text.

import { decoderOf, encoderOf } from "../data/vocabulary.ts";
import type { DeviceRequest } from "../device/open-device.ts";
import { SltrainError } from "../errors.ts";
import { RandomStream } from "../random.ts";
import { readRun } from "../run/registry.ts";
import type { Storage } from "../storage/storage.ts";
import { drawToken, type DrawOptions } from "./draw-token.ts";
import { openTrainedModel } from "./trained-model.ts";

export interface SampleOptions extends DrawOptions {
  readonly storage: Storage;
  readonly runId: string;
  /** What the text begins with; of a long one the model sees the end. Empty: it begins as after a line's end. */
  readonly prompt: string;
  /** To add to it. */
  readonly tokens: number;
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
  const encode = encoderOf(vocabulary);
  const decode = decoderOf(vocabulary);
  const begin = prompt === "" && vocabulary.includes("\n") ? "\n" : prompt;
  const text = [...encode(begin)];
  if (text.length === 0) text.push(0);
  const random = new RandomStream(seed, "sample");
  const { replica, close } = await openTrainedModel(storage, manifest, device);
  try {
    const next = replica.nextToken();
    let begin = Math.max(0, text.length - next.contextLength);
    for (let added = 0; added < tokens; added++) {
      // Positions are counted from the beginning: one that moved with every token would leave nothing of what is known.
      if (text.length - begin > next.contextLength) begin = text.length - Math.ceil(next.contextLength / 2);
      const token = drawToken(await next.after(text.slice(begin)), options, random);
      text.push(token);
      yield decode(token);
    }
  } finally {
    close();
  }
}
