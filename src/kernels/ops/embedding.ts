// Rows of a table by their number, and the gradient of the table. A number outside the table is nobody's: its row is NaN,
// so that the loss shows it, and its gradient goes nowhere.

import type { Op } from "../op.ts";
import { elementCount, f32 } from "../tensor.ts";
import type { NoParams } from "./elementwise.ts";
import { bindShapes, expectPositiveInteger } from "./shapes.ts";

export interface EmbeddingGradParams {
  /** Rows of the table. */
  readonly vocabulary: number;
}

/** (ids i32[...], table[V,D]) -> [...,D] */
export const embedding: Op<NoParams> = {
  name: "embedding",
  infer(inputs) {
    const { D } = bindShapes("embedding", inputs, { ids: "i32 ...", table: "V D" });
    return [f32(...inputs[0]!.shape, D)];
  },
  flops: () => 0,
  vjp: ({ inputs, outputGrads, add }) => [
    undefined,
    add(embeddingGrad, [inputs[0]!, outputGrads[0]!], { vocabulary: inputs[1]!.type.shape[0]! })[0],
  ],
};

/** (ids i32[...], dy[...,D]) -> dtable[V,D], the rows of dy added in their order */
export const embeddingGrad: Op<EmbeddingGradParams> = {
  name: "embedding-grad",
  infer(inputs, { vocabulary }) {
    const { D } = bindShapes("embedding-grad", inputs, { ids: "i32 ...", dy: "... D" });
    expectPositiveInteger("embedding-grad", "vocabulary", vocabulary);
    return [f32(vocabulary, D)];
  },
  flops: (inputs) => elementCount(inputs[1]!),
  vjp: "not-differentiable",
};
