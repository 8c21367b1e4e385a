// The models that rank 0 leaves of a run: the best epoch's as it comes, and at the end the newest or the best as the run's own.
// Of a run that trains the end of a model alone, only the trained part is kept on the way; at the end all files hold the whole.

import type { Replica } from "../algorithms/replica.ts";
import { assert } from "../errors.ts";
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from "../models/safetensors.ts";
import { bestEpoch } from "../run/best-epoch.ts";
import { runKeys } from "../run/keys.ts";
import type { EpochMetrics, RunManifest } from "../run/records.ts";
import { extractorTensors } from "../run/whole-model.ts";
import type { Storage } from "../storage/storage.ts";

export interface ModelFilesOptions {
  readonly storage: Storage;
  readonly manifest: RunManifest;
  readonly replica: Replica;
}

/** The replica's model, if `epochs` ends with the best of them. To be called before the metrics say so. */
export async function keepBest(of: ModelFilesOptions, epochs: readonly EpochMetrics[]): Promise<void> {
  const { config } = of.manifest;
  const newest = epochs.at(-1)!;
  if (newest.epoch === config.epochs || bestEpoch(epochs, config.bestBy) !== newest) return;
  await put(of, bestKey(of), await of.replica.tensors());
}

/** The run's model, which is the replica's of `step` or the best one, and the best one beside it where that is another. */
export async function leaveModel(
  of: ModelFilesOptions,
  epochs: readonly EpochMetrics[],
  step: number,
): Promise<void> {
  const { storage, manifest, replica } = of;
  const keys = runKeys(manifest.runId);
  const best = bestEpoch(epochs, manifest.config.bestBy);
  const isOlder = best !== undefined && best.step !== step;
  const takesBest = isOlder && manifest.config.keep === "best";
  if (manifest.extraction === undefined) {
    if (takesBest) await storage.put(keys.model, [await read(storage, keys.bestModel)]);
    else await put(of, keys.model, await replica.tensors());
    return;
  }
  const frozen = await extractorTensors(storage, manifest.extraction);
  if (!takesBest) await put(of, keys.model, [...frozen, ...(await replica.tensors())]);
  if (!isOlder) return;
  const { tensors } = decodeSafetensors(await read(storage, keys.bestHead), keys.bestHead);
  await put(of, takesBest ? keys.model : keys.bestModel, [...frozen, ...tensors.values()]);
}

function bestKey({ manifest }: ModelFilesOptions): string {
  const { bestHead, bestModel } = runKeys(manifest.runId);
  return manifest.extraction === undefined ? bestModel : bestHead;
}

async function put(
  { storage, manifest }: ModelFilesOptions,
  key: string,
  tensors: readonly NamedTensor[],
): Promise<void> {
  const metadata = { format: "sltrain", model: manifest.config.model, run: manifest.runId };
  await storage.put(key, encodeSafetensors(tensors, metadata));
}

async function read(storage: Storage, key: string): Promise<Uint8Array> {
  const bytes = await storage.get({ key });
  assert(bytes !== undefined, `${key} is put before the epoch that it is of is known`);
  return bytes;
}
