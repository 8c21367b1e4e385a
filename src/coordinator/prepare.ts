// Before the first worker: data in storage, model checked against it, manifest written. An unfinished run is taken up
// again under a new attempt number.

import { randomBytes } from "node:crypto";
import { arch, cpus, platform, totalmem } from "node:os";
import { scalesLoss } from "../algorithms/loss-scale.ts";
import { areParameterServers, forgetRun, parameterServers } from "../allreduce/parameter-servers.ts";
import { readOptionsOf } from "../config/read-options.ts";
import { samplesPerStep } from "../config/samples-per-step.ts";
import { classWeightsOf } from "../config/class-weights.ts";
import { batchSizeFor } from "../config/model-defaults.ts";
import type { TrainConfig } from "../config/schema.ts";
import { parseHidden } from "../config/hidden-units.ts";
import type { ConfigSource } from "../config/resolve.ts";
import { batchesPerEpoch } from "../data/order.ts";
import type { DataManifest } from "../data/manifest.ts";
import { ensurePartitions } from "../data/partition.ts";
import { SltrainError } from "../errors.ts";
import { layoutsOf, parameterCount } from "../models/build.ts";
import { freezeLayers, refuseAllFrozen } from "../models/freeze.ts";
import { formatTopology } from "../models/format-topology.ts";
import { loadModel, ownLossOf } from "../models/load-model.ts";
import { lossFor } from "../models/model-loss.ts";
import type { Topology } from "../models/topology.ts";
import { optimizerOf } from "../optim/optimizer.ts";
import { refuseUnknownTensors } from "../optim/spared-tensors.ts";
import { frameBudget } from "../run/frame-budget.ts";
import { NO_COST, type RunCost } from "../plan/run-cost.ts";
import { newestAttempt } from "../run/attempts.ts";
import { getJson, putOwnJson } from "../run/json-object.ts";
import { runKeys, type RunKeys } from "../run/keys.ts";
import { resizedTo } from "../run/succeed-crew.ts";
import { RUN_SCHEMA_VERSION, type RunFailure, type RunManifest, type RunSummary } from "../run/records.ts";
import type { RequestPrices } from "../storage/prices.ts";
import type { Storage } from "../storage/storage.ts";
import { refuseMisfit } from "./check-algorithm.ts";
import { checkFunction } from "./check-function.ts";
import { chooseDevice, type ChosenDevice } from "./choose-device.ts";
import { checkLimits } from "./check-limits.ts";
import { checkReach } from "./check-reach.ts";
import { refuseTooManyWorkers } from "./check-workers.ts";
import type { TrainEvent } from "./events.ts";
import { paced } from "./pace.ts";
import { beginModel } from "./begin-model.ts";
import type { FunctionOptions } from "./map-on-functions.ts";
import { overRows } from "./row-form.ts";
import type { Crew } from "../run/crew.ts";
import {
  refuseMisfitImages,
  refuseMisfitLoss,
  refuseMisfitTokens,
  refuseMissingAccuracy,
} from "./refuse-misfits.ts";

const PROGRESS_INTERVAL_MS = 1000;
/** What belongs to a crew and not to the run: another one may have others. */
const OF_A_CREW: readonly (keyof TrainConfig)[] = ["budgetUsd", "deadline"];
/** The same folder has another path from another folder, and a local service another port. */
const OF_THE_USER: readonly (keyof TrainConfig)[] = ["storage", "endpointUrl"];

/** A run whose next crew is the caller's to start, or one that has a crew: it may be alive, or wait for someone to revive it. */
export type PreparedRun = {
  readonly manifest: RunManifest;
  readonly attempt: number;
  /** Of that crew. */
  readonly workers: number;
  readonly chosen: ChosenDevice;
} & (
  | {
      /** What was spent before this crew: on features, and by earlier crews, whose heartbeats are gone. */
      readonly before: RunCost;
      /** The crew since which its frames lie under another name. */
      readonly framesOf?: number | undefined;
    }
  | Crew
);

export interface PrepareOptions {
  readonly storage: Storage;
  readonly config: TrainConfig;
  readonly sources: Readonly<Record<string, ConfigSource>>;
  readonly sltrainVersion: string;
  /** What runs functions that make a data set. */
  readonly createMappingProvider: FunctionOptions["createProvider"];
  /** Before the run has begun: ends what takes long. */
  readonly signal?: AbortSignal | undefined;
  /** Told what takes long before the run has begun. */
  readonly onEvent?: ((event: TrainEvent) => void) | undefined;
}

/**
 * Throws "storage-unshared", "storage-unsupported", "too-many-workers", "algorithm-misfit", "out-of-memory",
 * "timeout-too-short", "deadline-too-soon", "budget-too-small", "run-completed", "run-differs",
 * and what `chooseDevice`, storage, data and model throw, or `signal` is aborted with; nothing of a refused run is left behind.
 */
export async function prepareRun(options: PrepareOptions): Promise<PreparedRun> {
  const { storage, config } = options;
  const { prices } = await checkReach(config);
  const existing =
    config.runId === undefined
      ? undefined
      : await getJson<RunManifest>(storage, runKeys(config.runId).manifest);
  return existing ? takeUpRun(options, existing) : createRun(options, prices);
}

async function createRun(
  { storage, config: given, sources, sltrainVersion, ...during }: PrepareOptions,
  prices: RequestPrices | undefined,
): Promise<PreparedRun> {
  const chosen = await chooseDevice(given);
  const imported = await ensurePartitions(storage, given.data, {
    seed: given.seed,
    rows: given.rows,
    read: readOptionsOf(given),
    // In a file or the environment they may be meant for other data.
    onProgress: paced(
      (progress) => during.onEvent?.({ event: "data.progress", ...progress }),
      PROGRESS_INTERVAL_MS,
    ),
    isAsked: (option) => sources[option === "format" ? "dataFormat" : option] === "flag",
  });
  const { train, validation } = imported.counts;
  const config: TrainConfig = {
    ...{ ...given, device: chosen.device },
    batchSize: sources.batchSize === "default" ? batchSizeFor(given, train) : given.batchSize,
  };
  refuseTooManyWorkers(config, imported);
  if (validation === 0) {
    throw new SltrainError({
      code: "data-empty",
      message: `${config.data}: expected validation samples, got none`,
    });
  }
  const { task, classes } = imported;
  const { hinge, clusters } = config;
  const { loss, outputs } = lossFor(ownLossOf(config.model), { task, classes, hinge, clusters });
  refuseMissingAccuracy(config, imported.name, loss);
  const loaded = await loadModel(config.model, {
    ...(task === "next-token"
      ? // A row has one token more: the last one is only predicted.
        { inputShape: [imported.featureShape[0]! - 1], tokens: true }
      : { inputShape: imported.featureShape }),
    outputs,
    regression: task === "regression",
    ...{ hidden: config.hidden === undefined ? undefined : parseHidden(config.hidden), width: config.width },
    ...{ layers: config.layers, heads: config.heads },
  });
  const whole = overRows(
    config.freeze === undefined ? loaded : freezeLayers(loaded, config.freeze),
    imported,
  );
  refuseAllFrozen(whole);
  refuseMisfitLoss(config, loss);
  refuseMisfitImages(config, imported);
  refuseMisfitTokens(config, imported);
  const classWeights =
    config.classWeights === undefined
      ? undefined
      : classWeightsOf(config.classWeights, imported.classCounts.train);
  const optimizer = optimizerOf(config);
  const objective = {
    ...{ loss, optimizer, scalesLoss: scalesLoss(config) },
    ...{ labelSmoothing: config.labelSmoothing, classWeights },
  };
  const check = async (topology: Topology, data: DataManifest): Promise<void> => {
    refuseUnknownTensors(optimizer.spares, layoutsOf(topology).parameters);
    refuseMisfit(config.algorithm, topology);
    await checkFunction(config, data, { ...objective, topology }, chosen.limits);
    // Each has the more to do the fewer they are.
    const { minWorkers: workers } = config;
    if (workers !== undefined)
      await checkFunction({ ...config, workers }, data, { ...objective, topology }, chosen.limits);
  };
  const begun = await beginModel({ ...during, storage, config, data: imported, topology: whole, check });
  const { topology, data, weights, extraction, costUsd } = begun;
  const runId = config.runId ?? newRunId(config.model);
  const manifest: RunManifest = {
    schemaVersion: RUN_SCHEMA_VERSION,
    runId,
    createdAt: new Date().toISOString(),
    config,
    ...{ data, topology, loss },
    ...(weights && { weights }),
    ...(extraction && { extraction }),
    ...(classWeights && { classWeights }),
    parameterCount: parameterCount(topology),
    frames: frameBudget({
      ...{ config, prices, ...layoutsOf(topology) },
      stepsPerEpoch: batchesPerEpoch(train, samplesPerStep(config, train)),
    }),
    versions: { sltrain: sltrainVersion, node: process.versions.node, v8: process.versions.v8 },
    machine: {
      cpu: cpus()[0]?.model ?? arch(),
      cores: cpus().length,
      memoryMiB: Math.round(totalmem() / 2 ** 20),
      platform: `${platform()}-${arch()}`,
      ...(chosen.gpus.length > 0 && { gpus: chosen.gpus }),
    },
  };
  await checkLimits(manifest, { ...objective, topology }, prices);
  if (!(await putOwnJson(storage, runKeys(runId).manifest, manifest))) {
    throw new SltrainError({
      code: "run-exists",
      message: `--run-id: expected a name of no other run, got ${runId}, which was started at the same time`,
      suggestions: ["Leave --run-id away: a unique one is made."],
    });
  }
  await storage.put(runKeys(runId).topology, [new TextEncoder().encode(formatTopology(whole))]);
  return { manifest, attempt: 0, workers: config.workers, chosen, before: costUsd };
}

/** Takes up an unfinished run; settings given now must be those it was started with. */
async function takeUpRun(
  { storage, config, sources }: PrepareOptions,
  manifest: RunManifest,
): Promise<PreparedRun> {
  const { runId } = manifest;
  const keys = runKeys(runId);
  const summary = await getJson<RunSummary>(storage, keys.summary);
  if (summary?.status === "completed") {
    throw new SltrainError({
      code: "run-completed",
      message: `--run-id: expected a new or unfinished run, got ${runId}, which is completed`,
      suggestions: [`See it with \`sltrain runs show ${runId}\`, or choose another --run-id.`],
    });
  }
  const changed = (Object.keys(config) as (keyof TrainConfig)[]).filter(
    (key) =>
      sources[key] !== "default" &&
      !OF_THE_USER.includes(key) &&
      !(key === "device" && config.device === "auto") &&
      JSON.stringify(config[key]) !== JSON.stringify(manifest.config[key]),
  );
  refuse(
    manifest,
    config,
    changed.filter((key) => !OF_A_CREW.includes(key)),
    "Resume it without these settings, or start a new run with another --run-id.",
  );
  const newest = await newestAttempt(storage, runId);
  await storage.delete([keys.stop]);
  if (newest && !summary && !(await hasFailed(storage, keys, newest.attempt))) {
    refuse(manifest, config, changed, "Stop its crew first: `sltrain runs stop`.");
    const { workers } = newest.record;
    return { manifest, workers, chosen: await chooseDevice({ ...manifest.config, workers }), ...newest };
  }
  const resized = newest && (await resizedTo(storage, runId, newest));
  const workers = resized ?? newest?.record.workers ?? manifest.config.workers;
  const chosen = await chooseDevice({ ...manifest.config, workers });
  await storage.delete([keys.summary, keys.failure]);
  // All ranks compute again what follows their checkpoint; servers may have dropped it.
  if (areParameterServers(config.channel)) {
    await forgetRun(parameterServers(config.channel, process.env), runId);
  }
  const attempt = newest === undefined ? 0 : newest.attempt + 1;
  const before = summary?.costUsd ?? newest?.record.before ?? NO_COST;
  return { manifest, attempt, workers, chosen, before, framesOf: newest?.record.framesOf };
}

function refuse(
  manifest: RunManifest,
  config: TrainConfig,
  differences: readonly (keyof TrainConfig)[],
  remedy: string,
): void {
  if (differences.length === 0) return;
  const list = differences.map(
    (key) => `${key} was ${String(manifest.config[key])}, is ${String(config[key])}`,
  );
  throw new SltrainError({
    code: "run-differs",
    message: `run ${manifest.runId} exists with another configuration: ${list.join("; ")}`,
    suggestions: [remedy],
  });
}

/** As its coordinator saw it, or, if that had died by then, as a worker left it. */
async function hasFailed(storage: Storage, keys: RunKeys, attempt: number): Promise<boolean> {
  if (await getJson<RunFailure>(storage, keys.failure)) return true;
  for await (const _ of storage.list(`${keys.failures}${attempt}/`)) return true;
  return false;
}

/** Sorts by time: `20261122-235901-lenet5-3f9a`. */
function newRunId(model: string): string {
  const stamp = new Date().toISOString().replace(/[-:]/g, "").replace("T", "-").slice(0, 15);
  const name = model
    .replace(/^.*\//, "")
    .replace(/\.(json|[cm]?[jt]s)$/, "")
    .replace(/[^A-Za-z0-9-]/g, "-");
  return `${stamp}-${name}-${randomBytes(2).toString("hex")}`;
}
