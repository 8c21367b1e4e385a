// What the data needs of a model, and how built-in models fit themselves to it.

import { SltrainError } from "../errors.ts";
import { dense, flatten } from "./compose.ts";

export interface ModelIo extends ModelSizes {
  /** One sample, without the batch. */
  readonly inputShape: readonly number[];
  /** Classes, or clusters, or 1 for a yes-or-no answer or a value. */
  readonly outputs: number;
  /** Whether the outputs are values rather than probabilities. Default false. */
  readonly regression?: boolean;
  /** Whether a sample is a run of tokens, whole numbers below `outputs`, each of which the model predicts. Default false. */
  readonly tokens?: boolean;
}

/** What of a built-in model's size its user chooses; what is left out is the model's own. */
export interface ModelSizes {
  /** Units of each hidden layer. */
  readonly hidden?: readonly number[] | undefined;
  /** Of all channels (MobileNet's width multiplier, Howard et al. 2017, section 3.3), or of a position's features. */
  readonly width?: number | undefined;
  /** Of a transformer. */
  readonly layers?: number | undefined;
  /** Of each of its layers. */
  readonly heads?: number | undefined;
}

export const modelSizeNames = ["hidden", "width", "layers", "heads"] as const satisfies (keyof ModelSizes)[];

/** So many channels at that width, one at the least. */
export function channelsAt(width: number, channels: number): number {
  return Math.max(1, Math.round(width * channels));
}

/** What makes a row of a sample: nothing where it is one. */
export function flat({ inputShape }: ModelIo) {
  return inputShape.length === 1 ? [] : [flatten()];
}

/** The last layer. */
export function answer({ outputs, regression = false }: ModelIo) {
  if (regression) return dense(outputs, "linear");
  return dense(outputs, outputs === 1 ? "sigmoid" : "softmax");
}

/**
 * The input as height, width, channels; a grey image may come without its channel. Throws SltrainError
 * "model-data-mismatch" for what is no image, or one of fewer than `smallest` rows or columns.
 */
export function image(model: string, { inputShape }: ModelIo, smallest: number): readonly number[] {
  const shape = inputShape.length === 2 ? [...inputShape, 1] : inputShape;
  if (shape.length !== 3 || shape[0]! < smallest || shape[1]! < smallest) {
    throw new SltrainError({
      code: "model-data-mismatch",
      message: `model ${model} takes images of at least ${smallest}x${smallest}, but a sample of the data is [${inputShape.join(",")}]`,
      suggestions: ["Choose --model mlp, which takes samples of any shape."],
    });
  }
  return shape;
}
