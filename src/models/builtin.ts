// The models that come with sltrain, in one list: `--model NAME`. Each fits itself to the data's shape.

import { SltrainError } from "../errors.ts";
import { conv2d, dense, flatten, maxPooling2d, sequential } from "./compose.ts";
import type { Topology } from "./topology.ts";

/** What the data needs of a model. */
export interface ModelIo {
  /** One sample, without the batch. */
  readonly inputShape: readonly number[];
  /** Classes, or 1 for a yes-or-no answer or a value. */
  readonly outputs: number;
  /** Whether the outputs are values rather than probabilities. Default false. */
  readonly regression?: boolean;
}

export interface BuiltinModel {
  readonly name: string;
  readonly description: string;
  readonly topology: (io: ModelIo) => Topology;
}

export const builtinModels: readonly BuiltinModel[] = [
  {
    name: "lr",
    description: "logistic regression: one dense layer",
    topology: (io) => sequential("lr", io.inputShape, [...flat(io), answer(io)]),
  },
  {
    name: "mlp",
    description: "one hidden layer of 512 (784-512-10 on 28x28 images)",
    topology: (io) => sequential("mlp", io.inputShape, [...flat(io), dense(512, "relu"), answer(io)]),
  },
  {
    name: "lenet5",
    description: "LeNet-5 with relu and max-pooling (LeCun et al. 1998; 61,706 parameters on 28x28x1)",
    topology: (io) =>
      sequential("lenet5", image("lenet5", io, 12), [
        conv2d(6, [5, 5], { activation: "relu" }),
        maxPooling2d([2, 2]),
        conv2d(16, [5, 5], { padding: "valid", activation: "relu" }),
        maxPooling2d([2, 2]),
        flatten(),
        dense(120, "relu"),
        dense(84, "relu"),
        answer(io),
      ]),
  },
  {
    name: "feng-a",
    description: "five hidden layers of 100 (Feng et al. 2018; 42,601 parameters on 20 features, 1 output)",
    topology: (io) =>
      sequential("feng-a", io.inputShape, [
        ...flat(io),
        ...Array.from({ length: 5 }, () => dense(100, "relu")),
        answer(io),
      ]),
  },
];

function flat({ inputShape }: ModelIo) {
  return inputShape.length === 1 ? [] : [flatten()];
}

function answer({ outputs, regression = false }: ModelIo) {
  if (regression) return dense(outputs, "linear");
  return dense(outputs, outputs === 1 ? "sigmoid" : "softmax");
}

/** The input as height, width, channels; a grey image may come without its channel. */
function image(model: string, { inputShape }: ModelIo, smallest: number): readonly number[] {
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
