// Which token comes next, by what a model expects.

import type { RandomStream } from "../random.ts";

export interface DrawOptions {
  /** Above 0: below 1 likely tokens become likelier, above 1 less so. 0: always the likeliest. */
  readonly temperature: number;
  /** Only so many of the likeliest tokens can come; absent: any. */
  readonly topK?: number | undefined;
  /** Above 0, at most 1: only the likeliest that have this share of the probability can come; absent: any. */
  readonly topP?: number | undefined;
}

/**
 * A token with probability in proportion to p^(1 / temperature), among the `topK` likeliest, of which again only the fewest
 * that have a share of `topP` of what they have together (Holtzman et al. 2019, "The curious case of neural text
 * degeneration", section 3.1).
 */
export function drawToken(
  probabilities: Float32Array,
  { temperature, topK = probabilities.length, topP = 1 }: DrawOptions,
  random: RandomStream,
): number {
  // Of equal ones the first, as sorting is stable.
  const likeliest = [...probabilities.keys()].sort((a, b) => probabilities[b]! - probabilities[a]!);
  if (temperature === 0) return likeliest[0]!;
  const most = probabilities[likeliest[0]!]!;
  const weights = likeliest
    .slice(0, topK)
    .map((token) => (probabilities[token]! / most) ** (1 / temperature));
  const nucleus = topP * sumOf(weights);
  let reached = 0;
  const kept = weights.filter((weight) => {
    const isShort = reached < nucleus;
    reached += weight;
    return isShort;
  });
  let left = random.nextUniform() * sumOf(kept);
  return likeliest[kept.findIndex((weight) => (left -= weight) < 0)] ?? likeliest[0]!;
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
