// A decoder-only transformer (A. Radford et al., "Language models are unsupervised multitask learners", 2019, as in
// karpathy/nanoGPT): learned positions, layer norm before attention and before the MLP of four times the width, gelu.
// Initial weights as there: deviations of 0.02, those that add to the residual stream divided by sqrt(2 layers).

import { SltrainError } from "../errors.ts";
import {
  add,
  causalSelfAttention,
  Composer,
  dense,
  layerNormalization,
  tokenAndPositionEmbedding,
} from "./compose.ts";
import type { ModelIo } from "./model-io.ts";
import type { Activation, RandomNormal, Topology } from "./topology.ts";

export interface GptSizes {
  readonly layers: number;
  readonly heads: number;
  /** Features of a position; a multiple of `heads`. */
  readonly width: number;
}

/** 0.8 million parameters with a context of 64 and 65 characters. */
export const gptNano: GptSizes = { layers: 4, heads: 4, width: 128 };

const EPSILON = 1e-5;
const DEVIATION = 0.02;

/** Throws SltrainError "model-data-mismatch" for data that is no text, "config-conflict" for heads that divide no width. */
export function gpt(name: string, { layers, heads, width }: GptSizes, io: ModelIo): Topology {
  const { inputShape, outputs: vocabularySize, tokens = false } = io;
  if (!tokens) {
    throw new SltrainError({
      code: "model-data-mismatch",
      message: `model ${name} learns to go on with text, but a sample of the data is [${inputShape.join(",")}] numbers`,
      suggestions: ["Give it a text file as --data, or choose --model mlp for data of this kind."],
    });
  }
  refuseUnequalHeads(heads, width);
  const normal = (stddev: number): RandomNormal => ({ className: "RandomNormal", stddev });
  const linear = (units: number, activation: Activation = "linear") => ({
    ...dense(units, activation),
    kernelInitializer: normal(DEVIATION),
  });
  const residual = { ...linear(width), kernelInitializer: normal(DEVIATION / Math.sqrt(2 * layers)) };

  const model = new Composer();
  let x = model.add(
    tokenAndPositionEmbedding({
      ...{ vocabularySize, sequenceLength: inputShape[0]!, embeddingDim: width },
      embeddingsInitializer: normal(DEVIATION),
    }),
  );
  for (let layer = 0; layer < layers; layer++) {
    model.add(layerNormalization(EPSILON), x);
    model.add(linear(3 * width));
    model.add(causalSelfAttention(heads));
    x = model.add(add(), x, model.add(residual));
    model.add(layerNormalization(EPSILON), x);
    model.add(linear(4 * width, "gelu"));
    x = model.add(add(), x, model.add(residual));
  }
  model.add(layerNormalization(EPSILON));
  model.add({ ...linear(vocabularySize, "softmax"), useBias: false });
  return model.topology(name, inputShape);
}

/** A position's features are shared out among the heads. */
function refuseUnequalHeads(heads: number, width: number): void {
  if (width % heads === 0) return;
  const fewer = Array.from({ length: heads }, (_, i) => heads - i).find((count) => width % count === 0)!;
  const wider = Math.ceil(width / heads) * heads;
  throw new SltrainError({
    code: "config-conflict",
    message: `--heads: expected a divisor of the ${width} features that a position has, got ${heads}`,
    suggestions: [`Choose --heads ${fewer}, or --width ${wider / gptNano.width} for ${wider} features.`],
  });
}
