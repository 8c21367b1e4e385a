// The first half of a step of Lloyd's k-means: the nearest centroid of each row. The other half needs no op: the sums of
// the clusters' rows are embedding-grad(assignment, x), their counts embedding-grad(assignment, ones), and the inertia
// is a column-sum of the distances.

import type { Op } from "../op.ts";
import { f32, i32 } from "../tensor.ts";
import type { NoParams } from "./elementwise.ts";
import { bindShapes } from "./shapes.ts";

/**
 * (x[B,D], centroids[K,D]) -> (assignment i32[B], distances[B]): of equally near centroids the first, and its squared
 * Euclidean distance. A row that is finitely far from none goes to centroid 0, at distance Infinity.
 */
export const kmeansAssign: Op<NoParams> = {
  name: "kmeans-assign",
  infer(inputs) {
    const { B } = bindShapes("kmeans-assign", inputs, { x: "B D", centroids: "K D" });
    return [i32(B), f32(B)];
  },
  flops(inputs) {
    const [B, D] = inputs[0]!.shape as [number, number];
    return 3 * B * D * inputs[1]!.shape[0]!;
  },
  vjp: "not-differentiable",
};
