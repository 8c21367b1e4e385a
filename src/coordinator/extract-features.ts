// What a model's frozen beginning makes of a data set, as a data set: computed once, a batch at a time, and kept under the hash of
// data and weights. Rows keep their order, so that training sees what it would have seen without.

import { BatchReader } from "../algorithms/batch-reader.ts";
import { Replica } from "../algorithms/replica.ts";
import { rowElements, type DatasetInfo, type Split } from "../data/dataset.ts";
import { BlockWriter } from "../data/import/block-writer.ts";
import { Moments } from "../data/import/statistics.ts";
import {
  MANIFEST_SCHEMA_VERSION,
  manifestKey,
  readManifest,
  statisticsKey,
  type DataManifest,
} from "../data/manifest.ts";
import { openPartitions } from "../data/reader.ts";
import type { LabelMeaning } from "../data/rows.ts";
import { openDevice, type DeviceRequest } from "../device/open-device.ts";
import { buildInferenceProgram } from "../graph/program.ts";
import { buildModel } from "../models/build.ts";
import type { Topology } from "../models/topology.ts";
import { loadWeights, type StoredWeights } from "../run/stored-weights.ts";
import { sha256 } from "../sha256.ts";
import type { Storage } from "../storage/storage.ts";

export interface ExtractOptions {
  readonly storage: Storage;
  readonly data: DataManifest;
  readonly extractor: Topology;
  readonly featureShape: readonly number[];
  /** The extractor's. */
  readonly weights: { readonly hash: string; readonly stored: StoredWeights };
  readonly seed: number;
  readonly device: DeviceRequest;
  readonly signal?: AbortSignal | undefined;
  /** Told now and then how many rows are done. */
  readonly onRows?: ((done: number, all: number) => void) | undefined;
}

/** Raise it when features change for equal data and weights. */
const VERSION = 1;

/** What a batch's activations may take. */
const ARENA_BYTES = 256 * 2 ** 20;
const MAX_BATCH = 256;

const AS_THEY_ARE = { scale: [1], offset: [0] };

/** Throws what storage and device throw, "data-block-damaged" and "weights-damaged". Safe to repeat: what is there is not computed again. */
export async function ensureFeatures(options: ExtractOptions): Promise<DataManifest> {
  const { storage, data, extractor, weights } = options;
  const id = sha256()
    .update(JSON.stringify({ VERSION, data: data.contentHash, extractor, weights: weights.hash }))
    .digest("hex");
  return (await readManifest(storage, id)) ?? (await extractFeatures(options, id));
}

async function extractFeatures(options: ExtractOptions, id: string): Promise<DataManifest> {
  const { storage, data, extractor, featureShape, weights, seed, device: request } = options;
  const device = await openDevice(request);
  try {
    const replica = new Replica({ device, topology: extractor, loss: "mean-squared-error", seed });
    await loadWeights(storage, weights.stored, replica);
    const labels = labelsOf(data);
    const width = rowElements(featureShape);
    const moments = new Moments(width, featureShape.length === 1);
    const writer = (split: Split) =>
      new BlockWriter({
        ...{ storage, id, split, labels, rowElements: width },
        ...(split === "train" && { moments }),
      });
    const writers = { train: writer("train"), validation: writer("validation") };
    let done = 0;
    const all = data.counts.train + data.counts.validation;
    for (const split of ["validation", "train"] as const) {
      await extractSplit(replica, options, split, writers[split], (rows) =>
        options.onRows?.((done += rows), all),
      );
    }
    const hashes = { train: await writers.train.finish(), validation: await writers.validation.finish() };
    const info: Omit<DatasetInfo, "source" | "contentHash"> = {
      ...{ name: `${data.name}-features`, task: data.task, classes: data.classes, featureShape },
      ...(data.classNames && { classNames: data.classNames }),
      transform: AS_THEY_ARE,
    };
    const bySplit = <T>(of: (writer: BlockWriter) => T) => ({
      train: of(writers.train),
      validation: of(writers.validation),
    });
    const manifest: DataManifest = {
      ...{ schemaVersion: MANIFEST_SCHEMA_VERSION, id, ...info },
      source: `${extractor.name} up to ${extractor.layers.at(-1)!.name} on ${data.source}`,
      contentHash: sha256().update(JSON.stringify({ info, hashes })).digest("hex"),
      featureType: "f32",
      counts: bySplit(({ count }) => count),
      classCounts: bySplit(({ classCounts }) => classCounts),
      skippedRecords: data.skippedRecords,
      blocks: bySplit(({ blocks }) => blocks),
    };
    const statistics = Buffer.from(JSON.stringify(moments.finish()));
    await storage.put(statisticsKey(id), [statistics], { ifAbsent: true });
    const bytes = Buffer.from(JSON.stringify(manifest, undefined, 1));
    await storage.put(manifestKey(id), [bytes], { ifAbsent: true });
    return manifest;
  } finally {
    device.destroy();
  }
}

/** A stored block's rows at a time: memory does not grow with the data set. */
async function extractSplit(
  replica: Replica,
  { storage, data, extractor, featureShape, signal }: ExtractOptions,
  split: Split,
  writer: BlockWriter,
  onRows: (rows: number) => void,
): Promise<void> {
  const batchSize = batchSizeOf(extractor);
  const width = rowElements(featureShape);
  let first = 0;
  for (const { rows } of data.blocks[split]) {
    const dataset = await openPartitions(storage, data, split, { rows: { begin: first, end: first + rows } });
    first += rows;
    const reader = new BatchReader(dataset);
    const order = Uint32Array.from({ length: rows }, (_, i) => i);
    for (let begin = 0; begin < rows; begin += batchSize) {
      signal?.throwIfAborted();
      const end = Math.min(rows, begin + batchSize);
      const { x, labels, count } = reader.read(order, begin, end, data.task === "regression");
      const outputs = await replica.runPrediction(count, x);
      const features = Float32Array.from(outputs.subarray(0, count * width));
      const block = { count, features, labels: Float64Array.from(labels) };
      for (let row = 0; row < count; row++) await writer.append(block, row);
      onRows(count);
    }
  }
}

function labelsOf({ task, classes, classNames }: DataManifest): LabelMeaning {
  if (task === "regression") return { kind: "targets" };
  const values = Array.from({ length: classes }, (_, index) => index);
  return { kind: "classes", values, ...(classNames && { names: classNames }) };
}

function batchSizeOf(extractor: Topology): number {
  const { graph, outputs } = buildModel(extractor, 1, { training: false });
  const sampleBytes = 4 * buildInferenceProgram(graph, { outputs }).plan.arenaElements;
  return Math.max(1, Math.min(MAX_BATCH, Math.floor(ARENA_BYTES / Math.max(1, sampleBytes))));
}
