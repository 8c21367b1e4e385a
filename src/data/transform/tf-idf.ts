// Counts of words as what tells rows apart: a count times how rare its column is (Sparck Jones 1972), the idf smoothed as if
// one row more had every column, each row then to norm 1. The formulas are those of scikit-learn's TfidfTransformer, 1.2:
// https://scikit-learn.org/1.2/modules/feature_extraction.html#tfidf-term-weighting

import { SltrainError } from "../../errors.ts";
import { normalise } from "./scale.ts";
import { toSparse } from "./sparse.ts";
import { widthOf, type Step } from "./step.ts";

/** Frequencies of more would not fit into a function. */
const MAX_COLUMNS = 2 ** 22;

export const tfIdf: Step = {
  spec: "tf-idf",
  needs: "frequencies",
  check(before) {
    const { featureShape, featureType } = before;
    if (featureShape.length === 1 && widthOf(before) <= MAX_COLUMNS) return;
    throw new SltrainError({
      code: "data-transform",
      message: `tf-idf: expected at most ${MAX_COLUMNS} columns of counts, got ${featureShape.join("x")} ${featureType}`,
      suggestions: ["Hash columns into fewer ones before: --steps hash:18,tf-idf."],
    });
  },
  prepare(before, { frequencies }) {
    const { rows, documents } = frequencies!;
    const idf = Float64Array.from(documents, (count) => Math.log((1 + rows) / (1 + count)) + 1);
    return {
      after: { ...before, featureType: "csr" },
      map(features, count) {
        const { rowStarts, columns, values } = toSparse(features, count);
        const weights = Float64Array.from(values, (value, i) => value * idf[columns[i]!]!);
        for (let row = 0; row < count; row++) {
          normalise(weights, rowStarts[row]!, rowStarts[row + 1]!);
        }
        return { rowStarts, columns, values: Float32Array.from(weights) };
      },
    };
  },
};
