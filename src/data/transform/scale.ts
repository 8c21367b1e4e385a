// Steps that scale: columns by their statistics, rows by their norm.

import { SltrainError } from "../../errors.ts";
import { isSparse } from "../feature-rows.ts";
import type { FeatureStatistics } from "../import/statistics.ts";
import type { FeatureRows } from "../rows.ts";
import { columnName, widthOf, type RowKind, type RowMap, type Step } from "./step.ts";

/** Mean 0 and deviation 1. Sparse rows are not centred: they would not be sparse any more. */
export const standardise: Step = {
  spec: "standardise",
  needs: "moments",
  prepare(before, statistics) {
    const { mean, deviation } = statistics.moments!;
    // A constant carries nothing: it is centred, not divided by zero.
    const scale = deviation.map((value) => (value > 0 ? 1 / value : 1));
    return affine(
      before,
      scale,
      mean.map((value, c) => -value * scale[c]!),
    );
  },
};

/** From 0 to 1. Of sparse rows zeros stay zero, so that no value may be below it. */
export const minMax: Step = {
  spec: "min-max",
  needs: "moments",
  prepare(before, statistics) {
    const { min, max } = statistics.moments!;
    if (before.featureType === "csr") refuseNegative(before, statistics.moments!);
    const low = before.featureType === "csr" ? min.map(() => 0) : min;
    const scale = max.map((value, c) => (value > low[c]! ? 1 / (value - low[c]!) : 1));
    return affine(
      before,
      scale,
      low.map((value, c) => -value * scale[c]!),
    );
  },
};

function refuseNegative(before: RowKind, { min }: FeatureStatistics): void {
  const column = min.findIndex((value) => value < 0);
  if (column < 0) return;
  throw new SltrainError({
    code: "data-transform",
    message:
      `min-max: expected sparse rows without values below 0, which would no longer be sparse, ` +
      `got ${min[column]!} in column ${columnName(before, column)}`,
    suggestions: ["Use standardise, which divides sparse columns by their deviation alone."],
  });
}

/** x * scale + offset, in f64, rounded to f32; of sparse rows the scale alone. One entry holds for all columns. */
function affine(before: RowKind, scale: readonly number[], offset: readonly number[]): RowMap {
  const perColumn = scale.length > 1;
  const width = widthOf(before);
  return {
    after: { ...before, featureType: before.featureType === "csr" ? "csr" : "f32" },
    map(features) {
      if (isSparse(features)) {
        const { columns } = features;
        return {
          ...features,
          values: features.values.map((value, i) => value * scale[perColumn ? columns[i]! : 0]!),
        };
      }
      const scaled = new Float32Array(features.length);
      for (let i = 0, c = 0; i < features.length; i++, c = c + 1 === width ? 0 : c + 1) {
        const entry = perColumn ? c : 0;
        scaled[i] = features[i]! * scale[entry]! + offset[entry]!;
      }
      return scaled;
    },
  };
}

/** Each row by its Euclidean norm, as text's counts are. A row of zeros stays one. */
export const l2Norm: Step = {
  spec: "l2-norm",
  prepare(before) {
    const width = widthOf(before);
    return {
      after: { ...before, featureType: before.featureType === "csr" ? "csr" : "f32" },
      map(features, count): FeatureRows {
        if (!isSparse(features)) {
          const values = Float32Array.from(features);
          for (let row = 0; row < count; row++) normalise(values, row * width, (row + 1) * width);
          return values;
        }
        const values = features.values.slice();
        for (let row = 0; row < count; row++) {
          normalise(values, features.rowStarts[row]!, features.rowStarts[row + 1]!);
        }
        return { ...features, values };
      },
    };
  },
};

/** Values [begin, end) to Euclidean norm 1; zeros stay zeros. */
export function normalise(values: Float32Array | Float64Array, begin: number, end: number): void {
  let squares = 0;
  for (let i = begin; i < end; i++) squares += values[i]! ** 2;
  if (squares === 0) return;
  const scale = 1 / Math.sqrt(squares);
  for (let i = begin; i < end; i++) values[i]! *= scale;
}
