// What a finished run's model says of rows in a file.

import { BatchReader } from "../algorithms/batch-reader.ts";
import { denseRows } from "../data/csr-batch.ts";
import { rowElements } from "../data/dataset.ts";
import { featureTypeOf, isSparse } from "../data/feature-rows.ts";
import { readFeatures } from "../data/features.ts";
import type { FeatureRows } from "../data/rows.ts";
import type { DeviceRequest } from "../device/open-device.ts";
import { SltrainError } from "../errors.ts";
import type { Batch } from "../algorithms/batch.ts";
import type { Replica } from "../algorithms/replica.ts";
import { decisionThreshold, scores } from "../models/model-loss.ts";
import { nearestCentroid } from "../models/nearest-centroid.ts";
import type { RunManifest } from "../run/records.ts";
import { wholeOf } from "../run/whole-model.ts";
import { readRun } from "../run/registry.ts";
import type { Storage } from "../storage/storage.ts";
import { overRows } from "./row-form.ts";
import { type AskedDevice, openTrainedModel } from "./trained-model.ts";

const BATCH_SIZE = 250;

export interface Prediction {
  /** By class, or that of class 1 where there are two: probabilities, or a support vector machine's scores; else a value. */
  readonly outputs: readonly number[];
  /** Null for regression. */
  readonly class: number | null;
  /** The class's name where the training data names its classes. */
  readonly className: string | null;
}

export interface PredictOptions {
  readonly storage: Storage;
  readonly runId: string;
  /** IDX, CSV or LibSVM, also compressed, with or without labels (LibSVM: with). */
  readonly file: string;
  /** Default: what the run was trained on, where that is here. */
  readonly device?: DeviceRequest | undefined;
}

export interface Predictions extends AskedDevice {
  /** `distance`: squared, to the centroid of the cluster that `class` is. */
  readonly outputKind: "probability" | "score" | "value" | "distance";
  /** One per row of the file. */
  readonly predictions: readonly Prediction[];
}

/** Throws "run-unknown", "model-missing", and what reading the file throws. */
export async function predictRun({ storage, runId, file, device }: PredictOptions): Promise<Predictions> {
  const { manifest } = await readRun(storage, runId);
  const { featureShape, transform, task, classNames } = wholeOf(manifest).data;
  if (task === "next-token") {
    throw new SltrainError({
      code: "model-data-mismatch",
      message: `${runId}: expected a model of rows, got ${manifest.topology.name}, which goes on with text`,
      suggestions: [`Have it write: \`sltrain sample ${runId} --prompt TEXT\`.`],
    });
  }
  const { count, features } = await readFeatures(file, featureShape);
  const reader = new BatchReader({ features, labels: new Int32Array(count), featureShape, transform });
  const form = { transform, featureType: featureTypeOf(features), ...longestRow(features) };
  const topology = overRows(manifest.topology, form);
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const { replica, asked, close } = await openTrainedModel(storage, { ...manifest, topology }, device);
  try {
    const predictions: Prediction[] = [];
    const centroids = manifest.loss === "inertia" ? await centroidsOf(replica) : undefined;
    for (let begin = 0; begin < count; begin += BATCH_SIZE) {
      const batch = reader.read(order, begin, Math.min(begin + BATCH_SIZE, count), replica.wantsTargets);
      if (centroids !== undefined) {
        predictions.push(...memberships(batch, rowElements(featureShape), centroids));
        continue;
      }
      const all = await replica.runPrediction(batch.count, batch.x);
      const width = all.length / batch.count;
      for (let row = 0; row < batch.count; row++) {
        const outputs = [...all.subarray(row * width, (row + 1) * width)];
        const label = task === "regression" ? null : classOf(outputs, decisionThreshold(manifest.loss));
        predictions.push({
          outputs,
          class: label,
          className: label === null ? null : (classNames?.[label] ?? null),
        });
      }
    }
    return { predictions, outputKind: kindOf(manifest), ...asked };
  } finally {
    close();
  }
}

/** (clusters, features) */
async function centroidsOf(replica: Replica): Promise<Float32Array> {
  const { offset, length } = replica.parameters.entries[0]!;
  return (await replica.read("parameters")).slice(offset, offset + length);
}

function memberships(
  { count, x }: Pick<Batch, "count" | "x">,
  width: number,
  centroids: Float32Array,
): Prediction[] {
  const rows = denseRows(x, width);
  return Array.from({ length: count }, (_, row) => {
    const member = nearestCentroid(rows.subarray(row * width, (row + 1) * width), centroids);
    return { outputs: [member.squaredDistance], class: member.cluster, className: null };
  });
}

function longestRow(features: FeatureRows): { readonly maxRowNonZeros?: number } {
  if (!isSparse(features)) return {};
  const { rowStarts } = features;
  return {
    maxRowNonZeros: rowStarts.reduce((most, end, i) => Math.max(most, end - (rowStarts[i - 1] ?? 0)), 0),
  };
}

function kindOf({ data, loss }: RunManifest): Predictions["outputKind"] {
  if (loss === "inertia") return "distance";
  if (data.task === "regression") return "value";
  return scores(loss) ? "score" : "probability";
}

function classOf(outputs: readonly number[], threshold: number): number {
  return outputs.length === 1 ? Number(outputs[0]! > threshold) : outputs.indexOf(Math.max(...outputs));
}
