// The second half of a step of k-means: centroids become the means of their clusters' rows. Pure: equal sums give equal
// centroids on every rank.
//
// A cluster that has lost its last row takes half of the one with the largest inertia: both continue on either side of its
// centroid, a standard deviation from it, in a direction that a seed draws (Faiss, ClusteringParameters, divides the
// one with most rows). The farthest rows, which others take in its place, are known to no single rank, and to find them
// would take a second exchange.

import { RandomStream } from "../random.ts";

/** Sums over all rows, by cluster, all divided by the same number. K clusters, D features. */
export interface ClusterSums {
  /** (K, D), of the rows. */
  readonly rows: Float32Array;
  /** (K), of ones. */
  readonly counts: Float32Array;
  /** (K), of squared distances to the centroids before. */
  readonly inertias: Float32Array;
}

export interface Drawn {
  readonly seed: number;
  readonly step: number;
}

/** `centroids` (K, D) is overwritten. */
export function maximise(
  { rows, counts, inertias }: ClusterSums,
  centroids: Float32Array,
  drawn: Drawn,
): void {
  const width = centroids.length / counts.length;
  counts.forEach((count, cluster) => {
    const [begin, end] = [cluster * width, (cluster + 1) * width];
    if (count > 0) for (let i = begin; i < end; i++) centroids[i] = rows[i]! / count;
  });
  const largestFirst = Array.from(inertias.keys()).sort((a, b) => inertias[b]! - inertias[a]! || a - b);
  let divided = 0;
  counts.forEach((count, cluster) => {
    const source = largestFirst[divided]!;
    if (count > 0 || !(inertias[source]! > 0)) return;
    divided++;
    const deviation = Math.sqrt(inertias[source]! / counts[source]! / width);
    const random = new RandomStream(drawn.seed, `divide ${drawn.step}`, cluster);
    for (let j = 0; j < width; j++) {
      const shift = random.nextUniform() < 0.5 ? deviation : -deviation;
      const centre = centroids[source * width + j]!;
      centroids[cluster * width + j] = centre + shift;
      centroids[source * width + j] = centre - shift;
    }
  });
}
