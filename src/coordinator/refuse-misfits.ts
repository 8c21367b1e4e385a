// Settings of training that this model, loss or data has no use for: refused before anything is stored or started.

import type { TrainConfig } from "../config/schema.ts";
import type { DataManifest } from "../data/manifest.ts";
import { SltrainError } from "../errors.ts";
import { countsAnswers, type LossName } from "../models/build.ts";

/** Throws "config-conflict" where the data's targets are numbers, of which no answer is right or wrong. */
export function refuseMissingAccuracy(
  { targetAccuracy, bestBy }: TrainConfig,
  data: string,
  loss: LossName,
): void {
  const setting = targetAccuracy !== undefined ? "--target-accuracy" : "--best-by accuracy";
  if (countsAnswers(loss) || (targetAccuracy === undefined && bestBy !== "accuracy")) return;
  throw new SltrainError({
    code: "config-conflict",
    message: `${setting}: expected classes to tell apart, got ${data} with the loss ${loss}: there is no accuracy`,
    suggestions: ["Use --target-loss or --best-by loss."],
  });
}

/** Throws "config-conflict" where a setting of the loss is none of this one. */
export function refuseMisfitLoss({ labelSmoothing, classWeights }: TrainConfig, loss: LossName): void {
  const hasProbabilities = loss === "softmax-cross-entropy" || loss === "sigmoid-cross-entropy";
  const hasClasses = hasProbabilities || loss === "hinge" || loss === "squared-hinge";
  const [setting, wanted] =
    labelSmoothing > 0 && !hasProbabilities
      ? ["--label-smoothing", "a cross-entropy, whose truths are probabilities"]
      : classWeights !== undefined && !hasClasses
        ? ["--class-weights", "a loss of classes"]
        : [];
  if (setting === undefined) return;
  throw new SltrainError({
    code: "config-conflict",
    message: `${setting}: expected ${wanted}, got the loss ${loss} of this model and data`,
    suggestions: [`Leave out ${setting}.`],
  });
}

/** Throws "config-conflict" where images are to be augmented and rows are none. */
export function refuseMisfitImages(
  { augment }: TrainConfig,
  { name, featureShape, featureType }: DataManifest,
): void {
  if (augment === undefined || (featureShape.length === 3 && featureType !== "csr")) return;
  throw new SltrainError({
    code: "config-conflict",
    message: `--augment: expected images, [height, width, channels], got ${name} with rows of [${featureShape.join(",")}]`,
    suggestions: ["Leave out --augment."],
  });
}

/** Throws "config-conflict" where tokens are to be weighed as classes are: nobody has counted them. */
export function refuseMisfitTokens({ classWeights }: TrainConfig, { name, task }: DataManifest): void {
  if (classWeights === undefined || task !== "next-token") return;
  throw new SltrainError({
    code: "config-conflict",
    message: `--class-weights: expected samples of classes, got ${name}, which is text`,
    suggestions: ["Leave out --class-weights."],
  });
}
