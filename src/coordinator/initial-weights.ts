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
import { storeVector, type StoredWeights } from "../run/stored-weights.ts";
import { sha256 } from "../sha256.ts";
import type { Storage } from "../storage/storage.ts";

const RUN = "run:";

export interface PlaceWeightsOptions {
  readonly storage: Storage;
  /** A path, or `run:ID`. */
  readonly from: string;
  /** The whole model. */
  readonly topology: Topology;
  readonly newHead: NewHead;
  readonly seed: number;
  /** The model, or the parts that it was cut into, whose weights are kept apart. */
  readonly parts: readonly Topology[];
}

export interface PlacedWeights {
  /** As the user named it. */
  readonly from: string;
  /** Tensors that begin as without a file: a new head's. */
  readonly fresh: readonly string[];
  /** By part: `hash` is that of the vectors' content. */
  readonly parts: readonly { readonly hash: string; readonly stored: StoredWeights }[];
}

/** Throws what reading the file and `matchWeights` throw, "run-unknown", and "model-missing" for a run without a model. */
export async function placeWeights(options: PlaceWeightsOptions): Promise<PlacedWeights> {
  const { storage, from, topology, newHead, seed } = options;
  const file = await (from.startsWith(RUN)
    ? openModelOf(storage, from.slice(RUN.length))
    : openWeightFile(from));
  try {
    const { matches, fresh } = matchWeights(topology, file, newHead);
    const reads = new Map(matches.map(({ name, read }) => [name, read]));
    const parts = [];
    for (const part of options.parts) parts.push(await storePart(storage, part, reads, seed));
    return { from, fresh, parts };
  } finally {
    await file.close();
  }
}

/** The weights of `part` as the seed has them: a worker that made half a gigabyte of them would give no sign of life meanwhile. */
export function placeSeeded(
  storage: Storage,
  part: Topology,
  seed: number,
): Promise<PlacedWeights["parts"][number]> {
  return storePart(storage, part, new Map(), seed);
}

/** Tensors that are not read begin by the seed. */
async function storePart(
  storage: Storage,
  part: Topology,
  reads: ReadonlyMap<string, () => Promise<Float32Array>>,
  seed: number,
): Promise<PlacedWeights["parts"][number]> {
  const { graph } = buildModel(part, 1, { training: false });
  const vectors = vectorNames.map((name) => [name, new Float32Array(layoutOf(graph[name]).length)] as const);
  const hash = sha256();
  for (const [name, values] of vectors) {
    for (const tensor of graph[name]) {
      const read = reads.get(tensor.name);
      if (read === undefined) initializeParameters([tensor], seed, values);
      else values.set(await read(), tensor.offset);
    }
    hash.update(`${name} ${values.length}`).update(values);
  }
  const digest = hash.digest("hex");
  const stored: Partial<Record<string, StoredWeights["parameters"]>> = {};
  for (const [name, values] of vectors) stored[name] = await storeVector(storage, digest, name, values);
  return { hash: digest, stored };
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
