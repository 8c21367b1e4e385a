// How a run's model begins: its weights from elsewhere, and, where its first layers are frozen, the features that they make of the
// data in place of the data.

import type { TrainConfig } from "../config/schema.ts";
import { rowElements } from "../data/dataset.ts";
import type { DataManifest } from "../data/manifest.ts";
import { splitAtFeatures, type SplitModel } from "../models/freeze.ts";
import type { Topology } from "../models/topology.ts";
import { NO_COST, type RunCost } from "../plan/run-cost.ts";
import type { RunManifest } from "../run/records.ts";
import type { Storage } from "../storage/storage.ts";
import type { TrainEvent } from "./events.ts";
import { ensureFeatures } from "./extract-features.ts";
import type { FunctionOptions } from "./map-on-functions.ts";
import { placeSeeded, placeWeights } from "./initial-weights.ts";

const QUIET_MS = 3000;

export interface BeginOptions {
  readonly storage: Storage;
  readonly config: TrainConfig;
  readonly data: DataManifest;
  /** With its layers frozen. */
  readonly topology: Topology;
  /** Refuses what cannot be trained: asked before weights are made, which may take long, or when its features are known. */
  readonly check: (topology: Topology, data: DataManifest) => Promise<void>;
  /** What runs functions that make a data set. */
  readonly createMappingProvider: FunctionOptions["createProvider"];
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: TrainEvent) => void) | undefined;
}

export interface BegunModel extends Pick<RunManifest, "topology" | "data" | "weights" | "extraction"> {
  /** What functions were billed for until here. */
  readonly costUsd: RunCost;
}

/** What workers train, on what, from where on. Throws what `check`, `placeWeights` and `ensureFeatures` throw, and what `signal` is aborted with. */
export async function beginModel(options: BeginOptions): Promise<BegunModel> {
  const { storage, config, data, topology, signal } = options;
  const { weights: from, newHead, seed } = config;
  const making = { seed, signal, onBytes: progressOf(options.onEvent, weightsMade) };
  const split = worthwhileSplit(options);
  if (split === undefined) await options.check(topology, data);
  const parts = split === undefined ? [topology] : [split.head, split.extractor];
  const placed =
    from === undefined
      ? undefined
      : await placeWeights({ ...making, storage, from, topology, newHead, parts });
  const weights = placed && { from: placed.from, fresh: placed.fresh, ...placed.parts[0]! };
  if (split === undefined) return { topology, data, ...(weights && { weights }), costUsd: NO_COST };
  const { extractor, head } = split;
  const frozen = placed?.parts[1] ?? (await placeSeeded(storage, extractor, making));
  const { workers, threads, device, adapter, functionsPerGpu, precision } = config;
  const { manifest: features, costUsd } = await ensureFeatures({
    ...{ storage, data, signal, onEvent: options.onEvent },
    job: {
      ...{ from: data.id, extractor, featureShape: head.inputShape, weights: frozen },
      config: { workers, threads, device, adapter, functionsPerGpu, precision },
    },
    functions: { config, createProvider: options.createMappingProvider },
    onRows: progressOf(options.onEvent, featuresComputed),
  });
  await options.check(head, features);
  return {
    ...{ topology: head, data: features, ...(weights && { weights }), costUsd },
    extraction: { topology, data, extractor, stored: frozen.stored },
  };
}

const weightsMade: Tell = (bytes, of) => ({ event: "weights.made", bytes, of });
const featuresComputed: Tell = (rows, of) => ({ event: "features.computed", rows, of });

type Tell = (done: number, all: number) => TrainEvent;

/** Tells of each tenth; of what takes less than a few seconds nothing. */
function progressOf(onEvent: BeginOptions["onEvent"], tell: Tell): (done: number, all: number) => void {
  const start = performance.now();
  let told = 0;
  return (done, all) => {
    const tenths = Math.floor((10 * done) / all);
    if (tenths === told || performance.now() - start < QUIET_MS) return;
    told = tenths;
    onEvent?.(tell(done, all));
  };
}

/** Undefined where nothing is frozen, where rows are no dense samples or change in every epoch, or where features would be larger than what they are made of. */
function worthwhileSplit({ config, data, topology }: BeginOptions): SplitModel | undefined {
  const changes = config.augment !== undefined;
  if (
    config.frozenFeatures === "compute" ||
    changes ||
    data.featureType === "csr" ||
    data.task === "next-token"
  )
    return undefined;
  const split = splitAtFeatures(topology);
  if (split === undefined || config.frozenFeatures === "cache") return split;
  return rowElements(split.head.inputShape) <= rowElements(topology.inputShape) ? split : undefined;
}
