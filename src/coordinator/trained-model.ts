// A run's finished model on a device of this machine, ready to be evaluated or asked for predictions.

import { Replica } from "../algorithms/replica.ts";
import { createWasmDevice } from "../device/wasm/wasm-device.ts";
import { SltrainError } from "../errors.ts";
import { decodeSafetensors } from "../models/safetensors.ts";
import { runKeys } from "../run/keys.ts";
import type { RunManifest } from "../run/records.ts";
import type { Storage } from "../storage/storage.ts";

export interface TrainedModel {
  readonly replica: Replica;
  readonly close: () => void;
}

/** Throws "model-missing" for a run that has not finished. */
export async function openTrainedModel(storage: Storage, manifest: RunManifest): Promise<TrainedModel> {
  const key = runKeys(manifest.runId).model;
  const bytes = await storage.get({ key });
  if (!bytes) {
    throw new SltrainError({
      code: "model-missing",
      message: `expected the trained model under ${key}, got none`,
      suggestions: [`The run has not finished: \`sltrain train --run-id ${manifest.runId}\` takes it up.`],
    });
  }
  const device = await createWasmDevice();
  const replica = new Replica({
    device,
    topology: manifest.topology,
    loss: manifest.loss,
    seed: manifest.config.seed,
  });
  replica.load(decodeSafetensors(bytes, key), key);
  return { replica, close: () => device.destroy() };
}
