// One training run as the user sees it: prepare, start the crew, attend it to its end. The run itself needs none of this
// once its crew is started.

import { reduceThrough } from "../allreduce/parameter-servers.ts";
import { exchangeSteps, meetsNowAndThen } from "../config/exchange-steps.ts";
import type { ConfigSource } from "../config/resolve.ts";
import { samplesPerStep } from "../config/samples-per-step.ts";
import type { TrainConfig } from "../config/schema.ts";
import { batchesPerEpoch } from "../data/order.ts";
import { errorRecord } from "../errors.ts";
import type { GpuShare } from "../plan/gpu-placement.ts";
import { getJsonLines, putJson } from "../run/json-object.ts";
import { runKeys, type RunKeys } from "../run/keys.ts";
import type { EpochMetrics, RunFailure, RunManifest, RunSummary } from "../run/records.ts";
import { watchCommand } from "../run/resume-command.ts";
import { openStorage } from "../storage/open.ts";
import type { Storage } from "../storage/storage.ts";
import { credentialsToEnvironment } from "../storage/uri.ts";
import { attendRun } from "./attend-run.ts";
import { providedRun } from "./provider.ts";
import type { TrainEvent } from "./events.ts";
import { prepareRun, type PreparedRun } from "./prepare.ts";
import type { Provider } from "./provider.ts";
import { refusalsOf, RunFunctions } from "./run-functions.ts";
import { crewLimits, startCrew } from "./start-crew.ts";

export interface TrainOptions {
  readonly config: TrainConfig;
  readonly sources: Readonly<Record<string, ConfigSource>>;
  readonly sltrainVersion: string;
  readonly createProvider: (manifest: RunManifest, storageUri: string) => Provider;
  /** What runs functions that make a data set ahead of the run. */
  readonly createMappingProvider: (config: TrainConfig, storageUri: string, dataId: string) => Provider;
  readonly onEvent: (event: TrainEvent) => void;
  /** Aborted once: the workers are asked to stop at a step's end and the state is kept. Before they are started, its reason is thrown. */
  readonly signal: AbortSignal;
  /** The run is left to itself once its crew is started. */
  readonly detach: boolean;
}

/** Runs to the end, or to a clean stop; undefined if it was left to itself. Throws SltrainError; a failure ends the workers. */
export async function train({ config, ...rest }: TrainOptions): Promise<RunSummary | undefined> {
  const startedAt = new Date();
  // The configuration is stored, shown and sent.
  const storageUri = credentialsToEnvironment(config.storage, process.env);
  const channel = credentialsToEnvironment(config.channel, process.env);
  const options = { ...rest, config: { ...config, storage: storageUri, channel } };
  const storage = await openStorage(storageUri);
  try {
    const prepared = await prepareRun({
      ...{ ...options, storage },
      createMappingProvider: (uri, id) => rest.createMappingProvider(options.config, uri, id),
    });
    try {
      return await trainPrepared(options, storage, prepared, startedAt);
    } catch (error) {
      await leaveFailure(options, runKeys(prepared.manifest.runId), error);
      throw error;
    }
  } finally {
    await storage.close();
  }
}

async function trainPrepared(
  options: TrainOptions,
  storage: Storage,
  prepared: PreparedRun,
  startedAt: Date,
): Promise<RunSummary | undefined> {
  const { manifest } = prepared;
  const { config, runId } = manifest;
  const { onEvent, signal, detach } = options;
  // Where the run is now: it may have been started with another path to the same store.
  const { storage: storageUri } = options.config;
  const channel = config.channel === config.storage ? storageUri : config.channel;
  const run = providedRun(manifest, storageUri, channel);
  const provider = options.createProvider(manifest, storage.uri);
  const functions = new RunFunctions(provider, run, refusalsOf(config, onEvent));
  const before = await getJsonLines<EpochMetrics>(storage, runKeys(runId).metrics);
  let left = false;
  try {
    const limits =
      "record" in prepared ? {} : crewLimits(options.config, manifest, prepared.before, startedAt);
    onEvent(startedEvent({ ...prepared, gpus: prepared.chosen.gpus }, before.length, storage.uri));
    const { fallback } = prepared.chosen;
    if (fallback !== undefined)
      onEvent({ event: "warning", message: `--device auto: training on the processor, for ${fallback}` });
    const crew =
      "record" in prepared
        ? prepared
        : await startCrew({ storage, functions, run, ...prepared, limits, startedAt });
    if (detach) {
      left = true;
      onEvent({ event: "run.detached", runId, watch: watchCommand(runId, storage.uri) });
      return undefined;
    }
    return await attendRun({
      ...{ storage, crew, provider, functions, onEvent, stop: signal },
      ...{ revives: true, epochsBefore: before.length },
    });
  } finally {
    await functions.close();
    if (!left) await provider.close();
  }
}

/**
 * So that `runs ls` can tell a failed run from one that goes on; its workers have ended by now. Opens the storage anew:
 * one that is gone has been waited for once already, and a store that never answers is soon given up.
 */
async function leaveFailure({ config, onEvent }: TrainOptions, keys: RunKeys, error: unknown): Promise<void> {
  const failure: RunFailure = { at: new Date().toISOString(), ...errorRecord(error, "internal") };
  const storage = await openStorage(config.storage);
  try {
    await putJson(storage, keys.failure, failure);
  } catch (putError) {
    const reason = putError instanceof Error ? putError.message : String(putError);
    onEvent({ event: "warning", message: `could not note the failure in the storage: ${reason}` });
  } finally {
    await storage.close();
  }
}

interface StartedCrew extends Pick<PreparedRun, "manifest" | "attempt" | "workers"> {
  readonly gpus: readonly GpuShare[];
}

export function startedEvent(
  { manifest, attempt, workers, gpus }: StartedCrew,
  epochsBefore: number,
  storage: string,
): TrainEvent {
  const { config, data, frames } = manifest;
  const stepsPerEpoch = batchesPerEpoch(data.counts.train, samplesPerStep(config, data.counts.train));
  const { model, epochs, optimizer, lr, provider, seed } = config;
  const { algorithm, sync, compress } = config;
  const channel = config.channel === config.storage ? storage : config.channel;
  return {
    event: "run.started",
    runId: manifest.runId,
    ...{
      model,
      data: config.data,
      workers,
      device: config.device === "webgpu" ? config.device : "wasm",
      gpus,
      epochs,
      batchSize: samplesPerStep(config, data.counts.train),
      optimizer,
      lr,
      algorithm,
      sync,
      syncEvery: meetsNowAndThen(config) ? config.syncEvery : null,
      reduce: reduceThrough(config.channel, config.reduce),
      compress,
      checkpointEverySteps:
        frames.staleness === null
          ? frames.checkpointEvery * exchangeSteps(config, stepsPerEpoch)
          : stepsPerEpoch,
      maxFrameBytes: frames.maxBytes,
      storage,
      channel,
      provider,
      seed,
    },
    stepsPerEpoch,
    samples: data.counts.train,
    parameters: manifest.parameterCount,
    attempt,
    epochsBefore,
  };
}
