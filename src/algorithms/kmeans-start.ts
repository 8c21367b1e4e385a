// Where k-means begins: k-means++ (Arthur and Vassilvitskii 2007) over a sample of the rows, greedily, as scikit-learn does
// it: of some candidates, each drawn by its squared distance to the centroids so far, the one that leaves the least
// inertia. The sample are the first rows of the shuffled data, so that every rank can read it by itself, and the result
// depends on data and seed alone, whatever the number of workers.

import { RandomStream } from "../random.ts";

/** Values in the sample, at most, unless that makes it smaller than ... */
const SAMPLE_VALUES = 2 ** 19;
/** ... so many rows for each cluster. */
const LEAST_ROWS_PER_CLUSTER = 10;

/** Rows of the sample, of `count` rows of `width` features. */
export function sampleRows(count: number, width: number, clusters: number): number {
  const wanted = Math.max(Math.floor(SAMPLE_VALUES / width), LEAST_ROWS_PER_CLUSTER * clusters);
  return Math.min(count, wanted);
}

/** Centroids (clusters, width), all of them rows of `sample` (rows, width), row-major, as a model sees them. */
export function kmeansStart(
  sample: Float32Array,
  width: number,
  { clusters, seed }: { readonly clusters: number; readonly seed: number },
): Float32Array {
  const rows = sample.length / width;
  const random = new RandomStream(seed, "k-means++");
  const centroids = new Float32Array(clusters * width);
  const take = (cluster: number, row: number) => {
    centroids.set(sample.subarray(row * width, (row + 1) * width), cluster * width);
  };
  const candidates = 2 + Math.floor(Math.log(clusters));
  const first = random.nextInt(rows);
  take(0, first);
  let distances = nearer(sample, width, first, new Float64Array(rows).fill(Infinity));
  for (let cluster = 1; cluster < clusters; cluster++) {
    const inertia = sumOf(distances);
    let best: { row: number; distances: Float64Array; inertia: number } | undefined;
    for (let i = 0; i < candidates; i++) {
      // Where all rows are centroids already, any does.
      const row = inertia > 0 ? drawn(distances, random.nextUniform() * inertia) : random.nextInt(rows);
      const left = nearer(sample, width, row, distances);
      const candidate = { row, distances: left, inertia: sumOf(left) };
      if (best === undefined || candidate.inertia < best.inertia) best = candidate;
    }
    take(cluster, best!.row);
    distances = best!.distances;
  }
  return centroids;
}

/** Each row's squared distance to `row` where that is less than `distances`. */
function nearer(sample: Float32Array, width: number, row: number, distances: Float64Array): Float64Array {
  const centre = row * width;
  return distances.map((least, other) => {
    let distance = 0;
    const begin = other * width;
    for (let j = 0; j < width; j++) distance += (sample[begin + j]! - sample[centre + j]!) ** 2;
    return Math.min(distance, least);
  });
}

/** The first row at which the running sum of `distances` is above `threshold`; the last one of any weight otherwise. */
function drawn(distances: Float64Array, threshold: number): number {
  let sum = 0;
  let last = 0;
  for (const [row, distance] of distances.entries()) {
    if (distance === 0) continue;
    last = row;
    sum += distance;
    if (sum > threshold) return row;
  }
  return last;
}

function sumOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}
