// A function's side of the features of frozen layers: the extractor on its device, its weights read straight into it, and what it
// makes of one part after the other.

import { BatchReader } from "../algorithms/batch-reader.ts";
import { Replica } from "../algorithms/replica.ts";
import { rowElements, type Dataset } from "../data/dataset.ts";
import type { DataManifest } from "../data/manifest.ts";
import { openPartitions } from "../data/reader.ts";
import type { RowBlock } from "../data/rows.ts";
import { writePart, type Stage } from "../data/transform/job.ts";
import { featureKind, featureStage, planFeatures, type FeatureJob } from "../run/feature-job.ts";
import { loadWeights } from "../run/stored-weights.ts";
import type { Storage } from "../storage/storage.ts";
import { availableThreads } from "./available-threads.ts";
import { openRunDevice, type RunDevice } from "./run-device.ts";

interface Extractor extends RunDevice {
  /** Of the job that it is for. */
  readonly id: string;
  readonly replica: Replica;
}

/** At most one, for the next invocation of this process: its weights may fill most of the memory. */
let kept: Extractor | undefined;

export interface FeatureStageOptions {
  readonly storage: Storage;
  /** Of the data set that is made. */
  readonly id: string;
  readonly job: FeatureJob;
  readonly data: DataManifest;
  /** Of the invocation: of a machine's GPUs it decides which one is its own. */
  readonly firstPart: number;
}

/** Throws what `openDevice` throws, and "weights-damaged". */
export async function openFeatureStage(options: FeatureStageOptions): Promise<Stage> {
  const { storage, id, job, data, firstPart } = options;
  const stage = featureStage(job, data);
  const rank = Math.floor((firstPart * job.config.workers) / stage.parts.length);
  const { replica } = await openExtractor(options, rank);
  const measured = ({ features, count }: RowBlock) => {
    const measure = stage.openMeasure();
    measure.add(features, count);
    return measure.encode();
  };
  const { batchSize } = planFeatures(job, data);
  let computed: Promise<unknown> = Promise.resolve();
  return {
    ...stage,
    async run(part) {
      const { split, rows } = part;
      const loaded = await openPartitions(storage, data, split, { rows });
      // The device has one step at a time; another part may be loaded meanwhile.
      const computing = computed.then(() => featuresOf(replica, loaded, job, batchSize));
      computed = computing.catch(() => undefined);
      const features = await computing;
      const written = await writePart({ storage, id, from: data }, part, featureKind(job), features);
      return split === "train" ? { written, measured: measured(features) } : { written };
    },
  };
}

async function openExtractor({ storage, id, job }: FeatureStageOptions, rank: number): Promise<Extractor> {
  if (kept?.id === id) return kept;
  kept?.device.destroy();
  kept = undefined;
  const { config, extractor: topology, weights } = job;
  const threads = config.threads ?? availableThreads({ workers: config.workers, env: process.env });
  const opened = await openRunDevice(config, rank, threads);
  const { device } = opened;
  const replica = new Replica({ device, topology, loss: "mean-squared-error", seed: 0, begins: "empty" });
  await loadWeights(storage, weights.stored, replica);
  return (kept = { ...opened, id, replica });
}

async function featuresOf(
  replica: Replica,
  dataset: Dataset,
  { featureShape }: FeatureJob,
  batchSize: number,
): Promise<RowBlock> {
  const { count, task, labels } = dataset;
  const width = rowElements(featureShape);
  const features = new Float32Array(count * width);
  const reader = new BatchReader(dataset);
  const order = Uint32Array.from({ length: count }, (_, row) => row);
  for (let begin = 0; begin < count; begin += batchSize) {
    const batch = reader.read(order, begin, Math.min(count, begin + batchSize), task === "regression");
    const outputs = await replica.runPrediction(batch.count, batch.x);
    features.set(outputs.subarray(0, batch.count * width), begin * width);
  }
  return { count, features, labels: Float64Array.from(labels) };
}
