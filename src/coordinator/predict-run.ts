// What a finished run's model says of rows in a file.

import { BatchReader } from "../algorithms/batch-reader.ts";
import { readFeatures } from "../data/features.ts";
import type { DeviceRequest } from "../device/open-device.ts";
import { readRun } from "../run/registry.ts";
import type { Storage } from "../storage/storage.ts";
import { type AskedDevice, openTrainedModel } from "./trained-model.ts";

const BATCH_SIZE = 250;

export interface Prediction {
  /** Probabilities by class, the probability of class 1 where there are two, or the predicted value (regression). */
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
        const label = task === "regression" ? null : classOf(outputs);
        predictions.push({
          outputs,
          class: label,
          className: label === null ? null : (classNames?.[label] ?? null),
        });
      }
    }
    return { predictions, ...asked };
  } finally {
    close();
  }
}

function classOf(outputs: readonly number[]): number {
  return outputs.length === 1 ? Number(outputs[0]! > 0.5) : outputs.indexOf(Math.max(...outputs));
}
