// How much a sample of each class counts in the loss (`classWeights`): a list, or balanced by the classes' frequency.

import { SltrainError } from "../errors.ts";

const BALANCED = "balanced";

/** By class; undefined where they follow from the data. Throws SltrainError "class-weights-invalid". */
export function parseClassWeights(spec: string): readonly number[] | undefined {
  if (spec === BALANCED) return undefined;
  const weights = spec.split(",").map((word) => (word.trim() === "" ? Number.NaN : Number(word)));
  if (
    weights.length > 1 &&
    weights.every((weight) => weight >= 0 && weight < Infinity) &&
    weights.some(Boolean)
  )
    return weights;
  throw new SltrainError({
    code: "class-weights-invalid",
    message: `expected balanced, or a number from 0 for each class between commas, got ${JSON.stringify(spec)}`,
    suggestions: ["Of two classes the second of which is to count five times as much: 1,5."],
  });
}

/**
 * "balanced": rows / (classes x rows of the class), so that the mean weight is 1, as in scikit-learn. A class without rows
 * has 1. Throws SltrainError "config-conflict" for a list that is not as long as there are classes.
 */
export function classWeightsOf(spec: string, rowsByClass: readonly number[]): readonly number[] {
  const weights = parseClassWeights(spec);
  if (weights === undefined) {
    const rows = rowsByClass.reduce((sum, count) => sum + count, 0);
    return rowsByClass.map((count) => (count === 0 ? 1 : rows / (rowsByClass.length * count)));
  }
  if (weights.length === rowsByClass.length) return weights;
  throw new SltrainError({
    code: "config-conflict",
    message: `--class-weights: expected ${rowsByClass.length} weights, one for each class of the data, got ${weights.length}`,
    suggestions: ["Or use balanced, which follows from the data."],
  });
}
