// Parameters that a run begins with where they follow from its data and not from its seed alone.

import { BatchReader } from "../algorithms/batch-reader.ts";
import { kmeansStart, sampleRows } from "../algorithms/kmeans-start.ts";
import { denseRows } from "../data/csr-batch.ts";
import { rowElements } from "../data/dataset.ts";
import { inOrder } from "../data/order.ts";
import { openPartitions } from "../data/reader.ts";
import { layoutsOf } from "../models/build.ts";
import type { RunManifest } from "../run/records.ts";
import type { Storage } from "../storage/storage.ts";

/** The flat vector, equal on all ranks; undefined where the seed says it all. Throws what reading the data throws. */
export async function startingPoint(
  storage: Storage,
  { config, data, topology }: RunManifest,
): Promise<Float32Array | undefined> {
  const layer = topology.layers.at(-1);
  if (layer?.className !== "KMeans") return undefined;
  const width = rowElements(data.featureShape);
  const end = sampleRows(data.counts.train, width, layer.clusters);
  const sample = await openPartitions(storage, data, "train", { rows: { begin: 0, end } });
  const { x } = new BatchReader(sample).read(inOrder(end), 0, end, true);
  const { clusters } = layer;
  const { parameters } = layoutsOf(topology);
  const start = new Float32Array(parameters.length);
  start.set(
    kmeansStart(denseRows(x, width), width, { clusters, seed: config.seed }),
    parameters.entries[0]!.offset,
  );
  return start;
}
