// `--weights`: what a run's model begins with, from a file or another run, into storage.

import { SltrainError } from "../errors.ts";
import { initializeParameters } from "../graph/initialize.ts";
import { layoutOf, vectorNames } from "../graph/graph.ts";
import { buildModel } from "../models/build.ts";
import type { Topology } from "../models/topology.ts";
import type { ByteSource, WeightFile } from "../models/weights/byte-source.ts";
import { matchWeights, type NewHead } from "../models/weights/match.ts";
import { openSafetensors } from "../models/weights/safetensors-weights.ts";
import { openWeightFile } from "../models/weights/weight-file.ts";
import { runKeys } from "../run/keys.ts";
import { readRun } from "../run/registry.ts";
import type { RunManifest } from "../run/records.ts";
import { storeVector, type StoredWeights } from "../run/stored-weights.ts";
import { sha256 } from "../sha256.ts";
import type { Storage } from "../storage/storage.ts";

const RUN = "run:";

export interface InitialWeightsOptions {
  readonly storage: Storage;
  /** A path, or `run:ID`. */
  readonly from: string;
  readonly topology: Topology;
  readonly newHead: NewHead;
  readonly seed: number;
}

/** Throws what reading the file and `matchWeights` throw, "run-unknown", and "model-missing" for a run without a model. */
export async function storeInitialWeights(
  options: InitialWeightsOptions,
): Promise<NonNullable<RunManifest["weights"]>> {
  const { storage, from, topology, newHead, seed } = options;
  const file = await (from.startsWith(RUN)
    ? openModelOf(storage, from.slice(RUN.length))
    : openWeightFile(from));
  try {
    const { matches, fresh } = matchWeights(topology, file, newHead);
    const { graph } = buildModel(topology, 1, { training: false });
    const vectors = vectorNames.map((name) => {
      const values = new Float32Array(layoutOf(graph[name]).length);
      const begins = graph[name].filter((tensor) => fresh.includes(tensor.name));
      initializeParameters(begins, seed, values);
      return [name, values] as const;
    });
    const byName = new Map(vectors);
    for (const { vector, offset, read } of matches) byName.get(vector)!.set(await read(), offset);
    const hash = sha256().update(JSON.stringify(vectors.map(([name, { length }]) => [name, length])));
    for (const [, values] of vectors) hash.update(values);
    const digest = hash.digest("hex");
    const stored: Partial<Record<string, StoredWeights["parameters"]>> = {};
    for (const [name, values] of vectors) stored[name] = await storeVector(storage, digest, name, values);
    return { from, hash: digest, fresh, stored };
  } finally {
    await file.close();
  }
}

async function openModelOf(storage: Storage, runId: string): Promise<WeightFile> {
  await readRun(storage, runId);
  const key = runKeys(runId).model;
  const bytes = await storage.get({ key });
  if (!bytes)
    throw new SltrainError({
      code: "model-missing",
      message: `--weights ${RUN}${runId}: expected the trained model under ${key}, got none`,
      suggestions: ["Choose a run that has finished: `sltrain runs ls`."],
    });
  const source: ByteSource = {
    where: `${key} in ${storage.uri}`,
    sizeBytes: bytes.length,
    // On its own memory, so that arrays of any type can view it.
    read: (begin, end) => Promise.resolve(new Uint8Array(bytes.subarray(begin, end))),
    close: () => Promise.resolve(),
  };
  return openSafetensors(source);
}
