// Which loss a run trains with: the model's own where it is defined by one (softmax regression, support vector
// machines), else what the data asks for.

import type { Task } from "../data/dataset.ts";
import { SltrainError } from "../errors.ts";
import type { LossName } from "./build.ts";

/** What the data asks for, and the settings that losses have. */
export interface LossRequest {
  readonly task: Task;
  /** 0 for regression. */
  readonly classes: number;
  readonly hinge: "hinge" | "squared";
  readonly clusters: number;
}

/** Throws SltrainError "model-data-mismatch" where the data has no classes. */
export type OwnLoss = (request: LossRequest) => LossName;

export const softmaxLoss: OwnLoss = (request) => {
  refuseTargets("softmax", request);
  return "softmax-cross-entropy";
};

export const hingeLoss: OwnLoss = (request) => {
  refuseTargets("svm", request);
  return request.hinge === "squared" ? "squared-hinge" : "hinge";
};

function refuseTargets(model: string, { task }: LossRequest): void {
  // Tokens are classes too; whether the model takes them is another question.
  if (task !== "regression") return;
  throw new SltrainError({
    code: "model-data-mismatch",
    message: `model ${model} tells classes apart, but the data has targets that are no classes`,
    suggestions: [
      "Choose --model lr, which fits any targets.",
      "Say so if the numbers are classes: --label-kind classes, of data that are imported for it.",
    ],
  });
}

export interface ChosenLoss {
  readonly loss: LossName;
  /** Of the model. */
  readonly outputs: number;
}

/** The loss of a model that has an `own` one or none, and the outputs that the model then has. */
export function lossFor(own: OwnLoss | undefined, request: LossRequest): ChosenLoss {
  const { classes } = request;
  const loss = (own ?? lossOfData)(request);
  if (loss === "inertia") return { loss, outputs: request.clusters };
  if (request.task === "regression") return { loss, outputs: 1 };
  return { loss, outputs: loss === "softmax-cross-entropy" || classes > 2 ? classes : 1 };
}

function lossOfData({ task, classes }: LossRequest): LossName {
  if (task === "regression") return "mean-squared-error";
  if (task === "next-token") return "softmax-cross-entropy";
  return classes > 2 ? "softmax-cross-entropy" : "sigmoid-cross-entropy";
}

/** From which value on a single output says yes: half a probability, or a score of zero. */
export function decisionThreshold(loss: LossName): number {
  return scores(loss) ? 0 : 0.5;
}

/** Whether outputs are scores rather than probabilities. */
export function scores(loss: LossName): boolean {
  return loss === "hinge" || loss === "squared-hinge";
}
