// To which cluster a row belongs, asked of few rows: training has kernels for it (kernels/ops/kmeans-assign.ts).

export interface Membership {
  readonly cluster: number;
  /** To the cluster's centroid, Euclidean. */
  readonly squaredDistance: number;
}

/** `row` (D), `centroids` (K, D) row-major: the first of the nearest. In f64, feature by feature. */
export function nearestCentroid(row: Float32Array, centroids: Float32Array): Membership {
  const width = row.length;
  let nearest: Membership = { cluster: 0, squaredDistance: Infinity };
  for (let cluster = 0; cluster * width < centroids.length; cluster++) {
    let squaredDistance = 0;
    for (let j = 0; j < width; j++) squaredDistance += (row[j]! - centroids[cluster * width + j]!) ** 2;
    if (squaredDistance < nearest.squaredDistance) nearest = { cluster, squaredDistance };
  }
  return nearest;
}
