// One training run as the user sees it: prepare, start the workers, watch, evaluate the finished model, clean up.
// The run itself needs none of this once the workers are started.

import type { ConfigSource } from "../config/resolve.ts";
import type { TrainConfig } from "../config/schema.ts";
import { batchesPerEpoch } from "../data/order.ts";
import { SltrainError } from "../errors.ts";
import { estimateLambdaCostUsd } from "../plan/lambda-cost.ts";
import { getJsonLines, putJson } from "../run/json-object.ts";
import { runKeys, type RunKeys } from "../run/keys.ts";
import {
  RUN_SCHEMA_VERSION,
  type EpochMetrics,
  type RunManifest,
  type RunSummary,
  type WorkerResult,
} from "../run/records.ts";
import { openStorage } from "../storage/open.ts";
import type { Storage } from "../storage/storage.ts";
import { evaluateRun } from "./evaluate-run.ts";
import type { TrainEvent } from "./events.ts";
import { prepareRun } from "./prepare.ts";
import type { Invocation, Provider } from "./provider.ts";
import { watchRun } from "./watch.ts";

export interface TrainOptions {
  readonly config: TrainConfig;
  readonly sources: Readonly<Record<string, ConfigSource>>;
  readonly sltrainVersion: string;
  readonly createProvider: (runId: string) => Provider;
  readonly onEvent: (event: TrainEvent) => void;
  /** Aborted once: the workers are asked to stop at a step's end and the state is kept. */
  readonly signal: AbortSignal;
}

/** Runs to the end, or to a clean stop. Throws SltrainError; workers are never left behind by a failure. */
export async function train(options: TrainOptions): Promise<RunSummary> {
  const startedMs = performance.now();
  const storage = await openStorage(options.config.storage);
  try {
    const { manifest, attempt } = await prepareRun({ ...options, storage });
    const keys = runKeys(manifest.runId);
    const before = await getJsonLines<EpochMetrics>(storage, keys.metrics);
    options.onEvent(startedEvent(manifest, attempt, before));

    const results = await runWorkers(options, storage, manifest, attempt, before.length);
    assertEqualParameters(results);

    const metrics = await getJsonLines<EpochMetrics>(storage, keys.metrics);
    const summary = await summarise(storage, manifest, metrics, results, performance.now() - startedMs);
    await putJson(storage, keys.summary, summary);
    await deleteTransients(storage, keys, summary);
    options.onEvent(
      summary.status === "completed"
        ? { event: "run.completed", ...summary }
        : { event: "run.stopped", ...summary, resume: `sltrain train --run-id ${manifest.runId}` },
    );
    return summary;
  } finally {
    await storage.close();
  }
}

function startedEvent(manifest: RunManifest, attempt: number, before: readonly EpochMetrics[]): TrainEvent {
  const { config, data } = manifest;
  return {
    event: "run.started",
    runId: manifest.runId,
    model: config.model,
    data: config.data,
    workers: config.workers,
    epochs: config.epochs,
    stepsPerEpoch: batchesPerEpoch(data.counts.train, config.batchSize),
    batchSize: config.batchSize,
    samples: data.counts.train,
    parameters: manifest.parameterCount,
    optimizer: config.optimizer,
    lr: config.lr,
    storage: config.storage,
    channel: config.channel,
    provider: config.provider,
    seed: config.seed,
    attempt,
    resumedFromStep: attempt > 0 ? (before.at(-1)?.step ?? 0) : null,
  };
}

async function runWorkers(
  options: TrainOptions,
  storage: Storage,
  manifest: RunManifest,
  attempt: number,
  epochsBefore: number,
): Promise<WorkerResult[]> {
  const { config, runId } = manifest;
  const provider = options.createProvider(runId);
  const invocations: Invocation[] = [];
  const requestStop = () => {
    void putJson(storage, runKeys(runId).stop, { at: new Date().toISOString() }).catch((error: unknown) => {
      options.onEvent({ event: "warning", message: `could not ask the workers to stop: ${String(error)}` });
    });
  };
  options.signal.addEventListener("abort", requestStop, { once: true });
  if (options.signal.aborted) requestStop();
  try {
    for (let rank = 0; rank < config.workers; rank++) {
      const event = { schemaVersion: RUN_SCHEMA_VERSION, runId, rank, attempt } as const;
      invocations.push(await provider.invoke({ ...event, storage: config.storage, channel: config.channel }));
    }
    return await watchRun({
      storage,
      runId,
      attempt,
      invocations,
      epochsBefore,
      onWorkerStarted: (rank) => options.onEvent({ event: "worker.started", rank }),
      onWorkerEnded: ({ rank, peakMemoryMiB, firstStepMs }) =>
        options.onEvent({ event: "worker.ended", rank, peakMemoryMiB, firstStepMs }),
      onEpoch: (metrics) =>
        options.onEvent({
          event: "epoch",
          ...metrics,
          lambdaCostUsd: lambdaCostUsd(config, metrics.elapsedMs, metrics),
        }),
      onProgress: ({ epoch, samples, loss }) => options.onEvent({ event: "progress", epoch, samples, loss }),
    });
  } catch (error) {
    // The others would wait for the missing one until their deadline.
    for (const invocation of invocations) invocation.kill();
    await Promise.all(invocations.map(({ exited }) => exited));
    throw error;
  } finally {
    options.signal.removeEventListener("abort", requestStop);
  }
}

/** BSP promises that all ranks end with the same bits; anything else is a bug that must not pass for a model. */
function assertEqualParameters(results: readonly WorkerResult[]): void {
  const [first, ...others] = results;
  const different = others.find(({ parametersSha256 }) => parametersSha256 !== first?.parametersSha256);
  if (first && different) {
    throw new SltrainError({
      code: "replicas-differ",
      message: `expected equal parameters on all workers, got ${first.parametersSha256} on worker ${first.rank} and ${different.parametersSha256} on worker ${different.rank}`,
      suggestions: [
        "Do the workers run on machines of different kinds? Then their floating-point units may differ.",
      ],
    });
  }
}

async function summarise(
  storage: Storage,
  manifest: RunManifest,
  metrics: readonly EpochMetrics[],
  results: readonly WorkerResult[],
  wallMs: number,
): Promise<RunSummary> {
  const { config, runId } = manifest;
  const keys = runKeys(runId);
  const first = results[0]!;
  const sum = (pick: (result: WorkerResult) => number) =>
    results.reduce((total, result) => total + pick(result), 0);
  const evaluated = await evaluateRun({ storage, runId, data: undefined, split: "validation" });
  const requests = sum(({ totals }) => totals.requests);
  return {
    runId,
    status: first.reason === "stop-requested" ? "stopped" : "completed",
    reason: first.reason,
    model: config.model,
    data: config.data,
    workers: config.workers,
    epochs: first.epochs,
    steps: first.steps,
    loss: metrics.at(-1)?.loss ?? first.firstLosses.at(-1) ?? Number.NaN,
    validationLoss: evaluated.loss,
    accuracy: evaluated.accuracy,
    wallMs,
    firstStepMs: sum(({ firstStepMs }) => firstStepMs) / results.length,
    computeMs: sum(({ totals }) => totals.computeMs) / results.length,
    exchangeMs: sum(({ totals }) => totals.exchangeMs) / results.length,
    waitMs: sum(({ totals }) => totals.waitMs) / results.length,
    bytesUp: sum(({ totals }) => totals.bytesUp),
    bytesDown: sum(({ totals }) => totals.bytesDown),
    requests,
    peakMemoryMiB: Math.max(...results.map(({ peakMemoryMiB }) => peakMemoryMiB)),
    lambdaCostUsd: lambdaCostUsd(config, wallMs, { requests }),
    firstLosses: first.firstLosses,
    parametersSha256: first.parametersSha256,
    modelPath: locate(config.storage, keys.model),
    topologyPath: locate(config.storage, keys.topology),
  };
}

/** A finished run leaves only its results; a stopped one also what it needs to go on. */
async function deleteTransients(storage: Storage, keys: RunKeys, summary: RunSummary): Promise<void> {
  const finished = ["frames/", "heartbeats/", "results/", "failures/", "stop.json"];
  const transient = summary.status === "completed" ? [...finished, "checkpoints/", "attempts/"] : finished;
  for (const name of transient) await storage.delete(await Array.fromAsync(storage.list(keys.prefix + name)));
}

function lambdaCostUsd(
  config: TrainConfig,
  wallMs: number,
  { requests }: { readonly requests: number },
): number {
  return estimateLambdaCostUsd({
    workers: config.workers,
    memoryMiB: config.memoryMiB,
    wallMs,
    requests,
  }).totalUsd;
}

/** A path for a file system, a URI for anything else. */
function locate(storageUri: string, key: string): string {
  const base = storageUri.startsWith("fs:") ? storageUri.slice("fs:".length) : storageUri;
  return `${base.replace(/\/+$/, "")}/${key}`;
}
