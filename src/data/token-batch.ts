// Gathers rows of tokens into a batch: what the model sees, and what comes next at each position.

import { assert } from "../errors.ts";
import { isSparse } from "./feature-rows.ts";
import type { FeatureRows } from "./rows.ts";

/**
 * Rows order[begin..end) of `features` (count, T + 1): `x` gets their first T tokens, `labels` their last T, both
 * (end - begin, T).
 */
export function fillTokens(
  features: FeatureRows,
  order: Uint32Array,
  begin: number,
  end: number,
  x: Int32Array,
  labels: Int32Array,
): void {
  assert(!isSparse(features), "tokens in sparse rows");
  const count = end - begin;
  const T = count === 0 ? 0 : x.length / count;
  for (let row = 0; row < count; row++) {
    const from = order[begin + row]! * (T + 1);
    for (let t = 0; t < T; t++) {
      x[row * T + t] = features[from + t]!;
      labels[row * T + t] = features[from + t + 1]!;
    }
  }
}
