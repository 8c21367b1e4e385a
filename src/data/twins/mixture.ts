// A table whose rows are drawn from their class's own distribution: normal columns around means of the class, and groups
// of one-hot columns with probabilities of the class.

import { RandomStream } from "../../random.ts";
import type { RowBlock } from "../rows.ts";
import { NORMAL, sample } from "./quantiles.ts";
import type { Twin } from "./twin.ts";
import type { Xoshiro } from "./xoshiro.ts";

export interface Mixture {
  readonly name: string;
  /** Of each class; they add up to 1. */
  readonly classShares: readonly number[];
  /** The number that stands for each class in the original's files. */
  readonly labels: readonly number[];
  /** value = finish(mean + deviation * z), z around the class's own mean. */
  readonly numeric: readonly { readonly mean: number; readonly deviation: number }[];
  readonly finish: "round" | "relu";
  /** Sizes of the one-hot groups behind the numeric columns. */
  readonly groups: readonly number[];
  /** Deviation of the classes' means, in deviations of a column, and of the groups' log-probabilities. */
  readonly separation: number;
}

export function mixtureTwin(mixture: Mixture): Twin {
  const { numeric, groups, labels: labelValues } = mixture;
  const width = numeric.length + groups.reduce((sum, size) => sum + size, 0);
  const stream = new RandomStream(54, `mixture ${mixture.name}`);
  const classes = mixture.classShares.map(() => ({
    means: Float64Array.from(numeric, () => mixture.separation * stream.nextNormal()),
    groups: groups.map((size) =>
      cumulative(size, () => Math.exp(2 * mixture.separation * stream.nextNormal())),
    ),
  }));
  const shares = cumulative(classes.length, (c) => mixture.classShares[c]!);
  const round = mixture.finish === "round";

  function makeRows(random: Xoshiro, count: number): RowBlock {
    const features = new Float32Array(count * width);
    const labels = new Float64Array(count);
    const draws = new Uint32Array(numeric.length);
    for (let row = 0; row < count; row++) {
      const drawn = pick(shares, random.nextUniform());
      const { means, groups: groupShares } = classes[drawn]!;
      let at = row * width;
      random.fill(draws);
      for (let j = 0; j < draws.length; j++, at++) {
        const { mean, deviation } = numeric[j]!;
        const value = mean + deviation * (means[j]! + sample(NORMAL, draws[j]!));
        features[at] = round ? Math.round(value) : Math.max(0, value);
      }
      for (const share of groupShares) {
        features[at + pick(share, random.nextUniform())] = 1;
        at += share.length;
      }
      labels[row] = labelValues[drawn]!;
    }
    return { count, features, labels };
  }

  return {
    facts: {
      featureShape: [width],
      featureType: "f32",
      labels: { kind: "classes", values: labelValues },
    },
    rowsPerBlock: Math.max(1, Math.floor(2 ** 20 / (4 * width))),
    makeRows,
  };
}

/** Running sums of `length` weights, the last of them 1. */
function cumulative(length: number, weightOf: (index: number) => number): Float64Array {
  let sum = 0;
  const sums = Float64Array.from({ length }, (_, i) => (sum += weightOf(i)));
  return sums.map((value) => value / sum);
}

/** The first index whose running sum is above `uniform`. */
function pick(sums: Float64Array, uniform: number): number {
  let index = 0;
  while (index < sums.length - 1 && sums[index]! <= uniform) index++;
  return index;
}
