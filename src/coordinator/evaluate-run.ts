// A finished run's model on any data set of the same shape, seen through the transform that it was trained with.

import { evaluateSlice } from "../algorithms/evaluate.ts";
import { rowElements, type Dataset, type Split } from "../data/dataset.ts";
import { readOptionsOf } from "../config/read-options.ts";
import { findNamed } from "../data/catalogue.ts";
import { isSparse } from "../data/feature-rows.ts";
import { ensurePartitions } from "../data/partition.ts";
import { openPartitions } from "../data/reader.ts";
import type { DeviceRequest } from "../device/open-device.ts";
import { SltrainError } from "../errors.ts";
import { countsAnswers } from "../models/build.ts";
import type { RunManifest } from "../run/records.ts";
import { wholeOf } from "../run/whole-model.ts";
import { readRun } from "../run/registry.ts";
import type { Storage } from "../storage/storage.ts";
import { overRows } from "./row-form.ts";
import { type AskedDevice, openTrainedModel } from "./trained-model.ts";

export interface EvaluateOptions {
  readonly storage: Storage;
  readonly runId: string;
  /** Default: the data set that the run was trained on. */
  readonly data: string | undefined;
  readonly split: Split;
  /** Default: what the run was trained on, where that is here. */
  readonly device?: DeviceRequest | undefined;
}

export interface Evaluation extends AskedDevice {
  readonly runId: string;
  readonly data: string;
  readonly split: Split;
  readonly samples: number;
  /** Mean over the samples. */
  readonly loss: number;
  /** Null where the loss counts no right answers (regression). */
  readonly accuracy: number | null;
}

/** Throws "run-unknown", "model-missing", "data-mismatch" naming both shapes, and what reading the data throws. */
export async function evaluateRun({
  storage,
  runId,
  data,
  split,
  device,
}: EvaluateOptions): Promise<Evaluation> {
  const { manifest } = await readRun(storage, runId);
  const trained = wholeOf(manifest);
  const name = data ?? manifest.config.data;
  const stored =
    data === undefined
      ? trained.data
      : ((await findNamed(storage, name)) ??
        (await ensurePartitions(storage, name, {
          seed: manifest.config.seed,
          // A file of the same kind as that of the run.
          read: readOptionsOf(manifest.config),
        })));
  const { transform, featureShape } = trained.data;
  const rows = await openPartitions(storage, stored, split);
  // Sparse rows are as wide as their highest feature, which training may have seen higher, or not at all.
  const width = isSparse(rows.features) ? { featureShape } : {};
  const dataset = { ...rows, transform, ...width };
  checkFit(dataset, { runId, data: trained.data });
  // Other data may be stored in another form; it is seen as the training data was.
  const topology = overRows(trained.topology, { ...stored, transform });
  const { replica, asked, close } = await openTrainedModel(storage, { ...manifest, topology }, device);
  try {
    const sums = await evaluateSlice(replica, dataset, {
      ...{ begin: 0, end: dataset.count },
      batchSize: replica.evaluationCount(manifest.config.batchSize),
    });
    const counted = countsAnswers(manifest.loss);
    return {
      runId,
      data: name,
      split,
      samples: dataset.count,
      loss: sums.loss / dataset.count,
      accuracy: counted ? sums.correct / dataset.count : null,
      ...asked,
    };
  } finally {
    close();
  }
}

function checkFit(dataset: Dataset, { data, runId }: Pick<RunManifest, "data" | "runId">): void {
  const describe = ({ featureShape, task, classes }: Pick<Dataset, "featureShape" | "task" | "classes">) =>
    `${task} of [${featureShape.join(",")}]${task === "classification" ? ` in ${classes} classes` : ""}`;
  const fits =
    rowElements(dataset.featureShape) === rowElements(data.featureShape) &&
    dataset.task === data.task &&
    dataset.classes <= data.classes &&
    // A token means what the vocabulary says.
    (data.task !== "next-token" || dataset.classNames?.join() === data.classNames?.join());
  if (!fits) {
    throw new SltrainError({
      code: "data-mismatch",
      message: `${dataset.name}: expected data like that of ${runId}, ${describe(data)}, got ${describe(dataset)}`,
      suggestions: ["Give data of the shape that the model was trained on."],
    });
  }
}
