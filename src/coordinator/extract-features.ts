// What a model's frozen beginning makes of a data set, as a data set: computed once, by functions of the run's provider, and kept
// under the hash of data and weights. Rows keep their order, so that training sees what it would have seen without.

import { publish, type WrittenRows } from "../data/import/publish.ts";
import { storedLabels, readManifest, type DataManifest } from "../data/manifest.ts";
import type { Split } from "../data/dataset.ts";
import { joined } from "../data/transform/transform-dataset.ts";
import { assert, SltrainError } from "../errors.ts";
import { leastMemoryMiB, vcpusOf } from "../plan/function-memory.ts";
import { NO_COST, type RunCost } from "../plan/run-cost.ts";
import { featuresId, featureStage, planFeatures, type FeatureJob } from "../run/feature-job.ts";
import type { Storage } from "../storage/storage.ts";
import { formatBytes, formatCount } from "../units.ts";
import type { TrainEvent } from "./events.ts";
import { mapOnFunctions, type FunctionOptions } from "./map-on-functions.ts";
import type { MappingFunctions, MappingProgress } from "./mapping-functions.ts";

export interface ExtractOptions {
  readonly storage: Storage;
  readonly data: DataManifest;
  readonly job: FeatureJob;
  readonly functions: FunctionOptions;
  readonly signal?: AbortSignal | undefined;
  /** Told now and then how many rows are done. */
  readonly onRows: (done: number, all: number) => void;
  readonly onEvent?: ((event: TrainEvent) => void) | undefined;
}

/**
 * Safe to repeat: what is there is not computed again. Throws "out-of-memory" before anything is started, what `mapOnFunctions`
 * throws, "data-block-damaged" and "weights-damaged", and what `signal` is aborted with.
 */
export async function ensureFeatures(
  options: ExtractOptions,
): Promise<{ readonly manifest: DataManifest; readonly costUsd: RunCost }> {
  const { storage, data, job, functions, signal, onRows, onEvent } = options;
  const id = featuresId(job, data);
  const stored = await readManifest(storage, id);
  if (stored) return { manifest: stored, costUsd: NO_COST };
  refuseWithoutMemory(job, data, functions.config.memoryMiB);
  const beganMs = performance.now();
  const all = data.counts.train + data.counts.validation;
  const tell = ({ stage, done }: MappingProgress): void => {
    signal?.throwIfAborted();
    onRows(
      stage.parts.reduce((sum, { rows }, i) => sum + (done.has(i) ? rows.end - rows.begin : 0), 0),
      all,
    );
  };
  const { manifest, use } = await mapOnFunctions(
    { storage, id, job: { kind: "features", ...job } },
    { ...functions, config: patient(functions.config, job, data) },
    tell,
    (run) => gather(options, id, run),
  );
  onEvent?.({ event: "features.made", rows: all, elapsedMs: performance.now() - beganMs, ...use });
  return { manifest, costUsd: use.costUsd };
}

/** In the parts' order, whoever was first. */
async function gather(
  { storage, data, job }: ExtractOptions,
  id: string,
  run: MappingFunctions["run"],
): Promise<DataManifest> {
  const stage = featureStage(job, data);
  const measure = stage.openMeasure();
  const written: Record<Split, WrittenRows[]> = { train: [], validation: [] };
  for await (const [{ split }, result] of run(stage, new Map())) {
    if (result.measured) measure.merge(result.measured);
    if (result.written) written[split].push(result.written);
  }
  const { moments } = measure.finish();
  assert(moments !== undefined, "features are measured by moments");
  const { name, layers } = job.extractor;
  const facts = { labels: storedLabels(data), skippedRecords: data.skippedRecords };
  return publish({
    ...{ storage, id, name: `${data.name}-features` },
    source: `${name} up to ${layers.at(-1)!.name} on ${data.source}`,
    facts: { featureShape: job.featureShape, featureType: "f32", ...facts },
    transform: { scale: [1], offset: [0] },
    splits: { train: joined(written.train), validation: joined(written.validation) },
    statistics: moments,
  });
}

/** A function that loads half a gigabyte and computes for some seconds until its first part is there is not dead. */
function patient(
  config: FunctionOptions["config"],
  job: FeatureJob,
  data: DataManifest,
): FunctionOptions["config"] {
  const partMs = planFeatures(job, data).firstPartMs / vcpusOf(config.memoryMiB);
  return { ...config, leaseMs: Math.max(config.leaseMs, partMs) };
}

function refuseWithoutMemory(job: FeatureJob, data: DataManifest, memoryMiB: number): void {
  const { memoryBytes } = planFeatures(job, data);
  const fits = (mebibytes: number) => memoryBytes <= mebibytes * 2 ** 20;
  if (fits(memoryMiB)) return;
  const enoughMiB = leastMemoryMiB(memoryMiB, fits);
  throw new SltrainError({
    code: "out-of-memory",
    message:
      `${job.extractor.name}: expected functions that hold its frozen layers and what they compute, ` +
      `${formatBytes(memoryBytes)}, got functions of ${formatCount(memoryMiB)} MiB`,
    suggestions: [
      enoughMiB === undefined
        ? "Freeze fewer layers: no function has so much memory."
        : `Give functions more memory: --memory-mib ${enoughMiB}.`,
    ],
  });
}
