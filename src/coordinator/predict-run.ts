// What a finished run's model says of rows in a file.

import { BatchReader } from "../algorithms/batch-reader.ts";
import { readFeatures } from "../data/features.ts";
import type { DeviceRequest } from "../device/open-device.ts";
import { decisionThreshold, scores } from "../models/model-loss.ts";
import type { RunManifest } from "../run/records.ts";
import { readRun } from "../run/registry.ts";
import type { Storage } from "../storage/storage.ts";
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
  /** IDX or CSV, also gzipped, with or without labels. */
  readonly file: string;
  /** Default: what the run was trained on, where that is here. */
  readonly device?: DeviceRequest | undefined;
}

export interface Predictions extends AskedDevice {
  readonly outputKind: "probability" | "score" | "value";
  /** One per row of the file. */
  readonly predictions: readonly Prediction[];
}

/** Throws "run-unknown", "model-missing", and what reading the file throws. */
export async function predictRun({ storage, runId, file, device }: PredictOptions): Promise<Predictions> {
  const { manifest } = await readRun(storage, runId);
  const { featureShape, transform, task, classNames } = manifest.data;
  const { count, values } = await readFeatures(file, featureShape);
  const reader = new BatchReader({
    features: values,
    labels: new Int32Array(count),
    featureShape,
    transform,
  });
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const { replica, asked, close } = await openTrainedModel(storage, manifest, device);
  try {
    const predictions: Prediction[] = [];
    for (let begin = 0; begin < count; begin += BATCH_SIZE) {
      const batch = reader.read(order, begin, Math.min(begin + BATCH_SIZE, count), replica.wantsTargets);
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

function kindOf({ data, loss }: RunManifest): Predictions["outputKind"] {
  if (data.task === "regression") return "value";
  return scores(loss) ? "score" : "probability";
}

function classOf(outputs: readonly number[], threshold: number): number {
  return outputs.length === 1 ? Number(outputs[0]! > threshold) : outputs.indexOf(Math.max(...outputs));
}
