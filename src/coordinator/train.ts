// One training run as the user sees it: prepare, start the workers, watch, evaluate the finished model, clean up.
// The run itself needs none of this once the workers are started.

import { lastEpochFrames } from "../allreduce/open-collective.ts";
import {
  areParameterServers,
  forgetRun,
  parameterServers,
  reduceThrough,
} from "../allreduce/parameter-servers.ts";
import { parseReduce } from "../allreduce/patterns/index.ts";
import { exchangeSteps } from "../config/exchange-steps.ts";
import type { ConfigSource } from "../config/resolve.ts";
import type { TrainConfig } from "../config/schema.ts";
import { batchesPerEpoch } from "../data/order.ts";
import { errorRecord } from "../errors.ts";
import { getJsonLines, putJson } from "../run/json-object.ts";
import { runKeys, type RunKeys } from "../run/keys.ts";
import { resumeCommand } from "../run/resume-command.ts";
import type { EpochMetrics, RunFailure, RunManifest, RunStatus, RunSummary } from "../run/records.ts";
import { openChannel, openStorage } from "../storage/open.ts";
import type { Storage } from "../storage/storage.ts";
import { credentialsToEnvironment } from "../storage/uri.ts";
import type { TrainEvent } from "./events.ts";
import { prepareRun, type PreparedRun } from "./prepare.ts";
import type { ProcessProvider } from "./provider.ts";
import { runWorkers } from "./run-workers.ts";
import { summarise } from "./summarise.ts";

export interface TrainOptions {
  readonly config: TrainConfig;
  readonly sources: Readonly<Record<string, ConfigSource>>;
  readonly sltrainVersion: string;
  readonly createProvider: (runId: string) => ProcessProvider;
  readonly onEvent: (event: TrainEvent) => void;
  /** Aborted once: the workers are asked to stop at a step's end and the state is kept. */
  readonly signal: AbortSignal;
}

/** Runs to the end, or to a clean stop. Throws SltrainError; workers are never left behind by a failure. */
export async function train({ config, ...rest }: TrainOptions): Promise<RunSummary> {
  const startedMs = performance.now();
  // The configuration is stored, shown and sent.
  const storageUri = credentialsToEnvironment(config.storage, process.env);
  const channel = credentialsToEnvironment(config.channel, process.env);
  const options = { ...rest, config: { ...config, storage: storageUri, channel } };
  const storage = await openStorage(storageUri);
  try {
    const prepared = await prepareRun({ ...options, storage });
    try {
      return await trainPrepared(options, storage, prepared, startedMs);
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
  startedMs: number,
): Promise<RunSummary> {
  const { manifest } = prepared;
  const { config, runId } = manifest;
  const keys = runKeys(runId);
  const before = await getJsonLines<EpochMetrics>(storage, keys.metrics);
  options.onEvent(startedEvent(prepared, before, storage.uri));

  const results = await runWorkers({
    ...prepared,
    storage,
    provider: options.createProvider(runId),
    epochsBefore: before.length,
    onEvent: options.onEvent,
    signal: options.signal,
  });
  const summary: RunSummary = {
    ...(await summarise(storage, manifest, results)),
    wallMs: performance.now() - startedMs,
  };
  await putJson(storage, keys.summary, summary);
  await deleteTransients(storage, keys, summary.status);
  if (config.channel !== config.storage) await deleteLastFrames(manifest, summary.epochs);
  options.onEvent(
    summary.status === "completed"
      ? { event: "run.completed", ...summary }
      : { event: "run.stopped", ...summary, resume: resumeCommand(runId, storage.uri) },
  );
  return summary;
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

function startedEvent(
  { manifest, attempt }: PreparedRun,
  before: readonly EpochMetrics[],
  storage: string,
): TrainEvent {
  const { config, data, frames } = manifest;
  const stepsPerEpoch = batchesPerEpoch(data.counts.train, config.batchSize);
  const { model, workers, epochs, batchSize, optimizer, lr, provider, seed } = config;
  const { algorithm, sync, compress } = config;
  const channel = config.channel === config.storage ? storage : config.channel;
  return {
    event: "run.started",
    runId: manifest.runId,
    ...{
      model,
      data: config.data,
      workers,
      epochs,
      batchSize,
      optimizer,
      lr,
      algorithm,
      sync,
      syncEvery: algorithm === "ga-sgd" ? null : config.syncEvery,
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
    epochsBefore: before.length,
  };
}

/** A finished run leaves only its results; a stopped one also what it needs to go on. */
async function deleteTransients(storage: Storage, keys: RunKeys, status: RunStatus): Promise<void> {
  const toGoOn = [...keys.frames, keys.checkpoints, keys.attempts];
  const ofWorkers = [
    keys.leases,
    keys.heartbeats,
    keys.summonses,
    keys.handovers,
    keys.results,
    keys.failures,
  ];
  const folders = [...ofWorkers, ...(status === "completed" ? toGoOn : [])];
  for (const folder of folders) await storage.deleteFolder(folder);
  await storage.delete([keys.stop]);
}

/** Workers sweep their frames; only the mean of the last epoch's scalars must outlive them, for the slowest to read. */
async function deleteLastFrames({ runId, config }: RunManifest, epochs: number): Promise<void> {
  if (areParameterServers(config.channel)) {
    await forgetRun(parameterServers(config.channel, process.env), runId);
    return;
  }
  const channel = await openChannel(config.channel);
  await channel.delete(
    lastEpochFrames({ runId, worldSize: config.workers, reduce: parseReduce(config.reduce) }, epochs),
  );
  await channel.close();
}
