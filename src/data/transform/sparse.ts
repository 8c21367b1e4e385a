// Rows as their non-zeros.

import { isSparse } from "../feature-rows.ts";
import type { CsrRows, FeatureRows } from "../rows.ts";

/** What is sparse stays what it is. */
export function toSparse(features: FeatureRows, count: number): CsrRows {
  if (isSparse(features)) return features;
  const width = features.length / count;
  let nonZeros = 0;
  for (const value of features) if (value !== 0) nonZeros++;
  const sparse = {
    rowStarts: new Uint32Array(count + 1),
    columns: new Uint32Array(nonZeros),
    values: new Float32Array(nonZeros),
  };
  let at = 0;
  for (let i = 0, row = 0; row < count; row++) {
    for (let c = 0; c < width; c++, i++) {
      if (features[i] === 0) continue;
      sparse.columns[at] = c;
      sparse.values[at++] = features[i]!;
    }
    sparse.rowStarts[row + 1] = at;
  }
  return sparse;
}
