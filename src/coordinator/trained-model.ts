// A run's finished model on a device of this machine, ready to be evaluated or asked for predictions.

import { Replica } from "../algorithms/replica.ts";
import type { Device, DeviceAdapter } from "../device/device.ts";
import { openDevice, type DeviceRequest } from "../device/open-device.ts";
import { SltrainError } from "../errors.ts";
import { decodeSafetensors, type Safetensors } from "../models/safetensors.ts";
import { runKeys } from "../run/keys.ts";
import { wholeOf } from "../run/whole-model.ts";
import type { RunManifest } from "../run/records.ts";
import type { Storage } from "../storage/storage.ts";

/** What a model was asked on. */
export interface AskedDevice {
  readonly device: Device["name"];
  /** Null for wasm. */
  readonly adapter: DeviceAdapter | null;
}

export interface TrainedModel {
  readonly replica: Replica;
  readonly asked: AskedDevice;
  readonly close: () => void;
}

/**
 * What was trained on a GPU is asked on one, where this machine has one; `request` says otherwise. Throws "model-missing"
 * for a run that has not finished, and what `openDevice` throws.
 */
export async function openTrainedModel(
  storage: Storage,
  manifest: RunManifest,
  request: DeviceRequest = { device: manifest.config.device === "webgpu" ? "auto" : "wasm" },
): Promise<TrainedModel> {
  const file = await readModel(storage, manifest.runId);
  const device = await openDevice(request);
  const replica = new Replica({
    device,
    topology: wholeOf(manifest).topology,
    loss: manifest.loss,
    seed: manifest.config.seed,
    begins: "empty",
  });
  replica.load(file, runKeys(manifest.runId).model);
  return {
    replica,
    asked: { device: device.name, adapter: device.adapter ?? null },
    close: () => device.destroy(),
  };
}

/** Throws "model-missing" for a run that has not finished, and "safetensors-damaged". */
export async function readModel(storage: Storage, runId: string): Promise<Safetensors> {
  const key = runKeys(runId).model;
  const bytes = await storage.get({ key });
  if (bytes) return decodeSafetensors(bytes, `${key} in ${storage.uri}`);
  throw new SltrainError({
    code: "model-missing",
    message: `expected the trained model under ${key}, got none`,
    suggestions: [`The run has not finished: \`sltrain train --run-id ${runId}\` takes it up.`],
  });
}
