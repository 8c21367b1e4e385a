// What runs inside a function: Lambda calls `handler(event, context)`. All it knows is in the event and in the storage
// that the event names; all it leaves is in that storage.

import { Replica } from "../algorithms/replica.ts";
import { openScatterReduce } from "../allreduce/scatter-reduce.ts";
import { openPartitions } from "../data/reader.ts";
import { createWasmDevice } from "../device/wasm/wasm-device.ts";
import { SltrainError } from "../errors.ts";
import { encodeSafetensors, parametersSha256, tensorsOf } from "../models/safetensors.ts";
import { optimizerOf } from "../optim/optimizer.ts";
import { getJson, getJsonLines, putJson, putJsonLines } from "../run/json-object.ts";
import { runKeys } from "../run/keys.ts";
import type { EpochMetrics, RunManifest, WorkerEvent, WorkerFailure, WorkerResult } from "../run/records.ts";
import { chunkGrid } from "../shard/buckets.ts";
import { openChannel, openStorage } from "../storage/open.ts";
import type { Storage } from "../storage/storage.ts";
import { readNewestCheckpoint, writeCheckpoint, type Cursor } from "./checkpoint.ts";
import { parseWorkerEvent } from "./event.ts";
import { HeartbeatTimer } from "./heartbeat.ts";
import { trainLoop } from "./train-loop.ts";
import { WorkMeter } from "./work-meter.ts";

const HEARTBEAT_INTERVAL_MS = 300;
/** Losses kept in the result, to compare runs step by step. */
const FIRST_LOSSES = 20;

/** Trains until all ranks decide to stop; the result is also left in storage, and so is a failure before it is thrown. */
export async function handler(rawEvent: unknown): Promise<WorkerResult> {
  const event = parseWorkerEvent(rawEvent);
  const storage = await openStorage(event.storage);
  try {
    return await runWorker(event, storage);
  } catch (error) {
    await leaveFailure(storage, event, error);
    throw error;
  } finally {
    await storage.close();
  }
}

async function runWorker(event: WorkerEvent, storage: Storage): Promise<WorkerResult> {
  const { runId, rank, attempt } = event;
  const keys = runKeys(runId);
  const manifest = await getJson<RunManifest>(storage, keys.manifest);
  if (!manifest) {
    throw new SltrainError({
      code: "run-missing",
      message: `expected a run manifest under ${keys.manifest} in ${event.storage}, got none`,
      suggestions: ["Start the run with `sltrain train`; give the workers the same --storage."],
    });
  }
  const { config } = manifest;
  const device = await createWasmDevice();
  const [train, validation] = await Promise.all([
    openPartitions(storage, manifest.data, "train"),
    openPartitions(storage, manifest.data, "validation"),
  ]);
  const replica = new Replica({
    device,
    topology: manifest.topology,
    loss: manifest.loss,
    seed: config.seed,
  });
  const optimizer = optimizerOf(config);
  await replica.useOptimizer(optimizer);
  const training = await replica.training(
    Math.ceil(Math.min(config.batchSize, train.count) / config.workers),
  );

  const durable = ["parameters", ...optimizer.stateNames];
  const cursor: Cursor = (attempt > 0 && (await readNewestCheckpoint(storage, keys, replica, durable))) || {
    step: 0,
    epochLoss: 0,
    epochCorrect: 0,
    epochSamples: 0,
  };

  const buckets = chunkGrid(replica.parameters, {
    bucketBytes: config.bucketBytes,
    worldSize: config.workers,
  });
  const channel = event.channel === event.storage ? storage : await openChannel(event.channel);
  const collective = await openScatterReduce({
    channel,
    runId,
    rank,
    worldSize: config.workers,
    generation: attempt,
    buckets,
  });
  const meter = new WorkMeter(collective);
  const metrics = (await getJsonLines<EpochMetrics>(storage, keys.metrics)).filter(
    ({ step }) => step <= cursor.step,
  );
  const firstLosses: number[] = [];
  let firstStepMs: number | undefined;

  const heartbeat = new HeartbeatTimer({
    storage,
    heartbeatKey: keys.heartbeat(attempt, rank),
    stopKey: keys.stop,
    intervalMs: HEARTBEAT_INTERVAL_MS,
    read: () => ({
      rank,
      pid: process.pid,
      attempt,
      step: cursor.step,
      epoch: metrics.length + 1,
      samples: cursor.epochSamples,
      loss: cursor.epochSamples > 0 ? cursor.epochLoss / cursor.epochSamples : 0,
      ...(firstStepMs === undefined ? {} : { firstStepMs }),
    }),
  });
  heartbeat.beat();

  const abort = new AbortController();
  try {
    const reason = await trainLoop({
      manifest,
      rank,
      replica,
      collective,
      buckets,
      optimizer,
      train,
      validation,
      cursor,
      meter,
      signal: abort.signal,
      stopRequested: () => {
        heartbeat.check();
        return heartbeat.stopRequested;
      },
      onStep: ({ loss }) => {
        // performance.now() counts from the start of the process.
        firstStepMs ??= performance.now();
        if (firstLosses.length < FIRST_LOSSES) firstLosses.push(loss);
      },
      onEpoch: async (epochMetrics) => {
        metrics.push(epochMetrics);
        if (rank === 0) await putJsonLines(storage, keys.metrics, metrics);
      },
      onCheckpoint: async () => {
        if (rank === 0) await writeCheckpoint(storage, keys, replica, durable, cursor);
      },
    });
    const parameters = await replica.read("parameters");
    if (rank === 0) await writeModel(storage, manifest, replica, parameters);
    const result: WorkerResult = {
      rank,
      attempt,
      reason,
      steps: cursor.step,
      epochs: metrics.length,
      wallMs: performance.now(),
      firstStepMs: firstStepMs ?? performance.now(),
      firstLosses,
      parametersSha256: parametersSha256(parameters, replica.parameters),
      peakMemoryMiB: process.resourceUsage().maxRSS / 1024,
      arenaMiB: training.step.arenaBytes / 2 ** 20,
      totals: meter.totals,
    };
    await heartbeat.close();
    await putJson(storage, keys.result(attempt, rank), result);
    return result;
  } finally {
    await heartbeat.close();
    abort.abort();
    if (channel !== storage) await channel.close();
    device.destroy();
  }
}

async function writeModel(
  storage: Storage,
  manifest: RunManifest,
  replica: Replica,
  parameters: Float32Array,
): Promise<void> {
  const keys = runKeys(manifest.runId);
  const metadata = { format: "sltrain", model: manifest.config.model, run: manifest.runId };
  await storage.put(keys.model, encodeSafetensors(tensorsOf(parameters, replica.parameters), metadata));
}

async function leaveFailure(storage: Storage, event: WorkerEvent, error: unknown): Promise<void> {
  const known = error instanceof SltrainError;
  const failure: WorkerFailure = {
    rank: event.rank,
    attempt: event.attempt,
    code: known ? error.code : "worker-crashed",
    message: error instanceof Error ? error.message : String(error),
    suggestions: known ? error.suggestions : [],
  };
  await putJson(storage, runKeys(event.runId).failure(event.attempt, event.rank), failure).catch(
    (putError: unknown) => {
      // The storage may be what failed; the log still has it all.
      console.error(
        JSON.stringify({
          level: "error",
          message: "could not leave the failure in storage",
          cause: String(putError),
        }),
      );
    },
  );
}
