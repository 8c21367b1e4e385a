// A run's results in one record: what the workers left, what they cost, and what their model is worth.

import { assert, SltrainError } from "../errors.ts";
import { layoutsOf } from "../models/build.ts";
import { optimizerOf } from "../optim/optimizer.ts";
import { addCost, type HeldObjects, runCost } from "../plan/run-cost.ts";
import { ofCrew } from "../run/attempts.ts";
import { bestEpoch } from "../run/best-epoch.ts";
import { getJsonLines } from "../run/json-object.ts";
import { runKeys } from "../run/keys.ts";
import type {
  BestEpoch,
  EpochMetrics,
  GpuUse,
  RunManifest,
  RunSummary,
  StopReason,
  WorkerResult,
  WorkTotals,
} from "../run/records.ts";
import type { Storage } from "../storage/storage.ts";
import type { Crew } from "../run/crew.ts";
import { evaluateRun } from "./evaluate-run.ts";
import { lambdaEstimate } from "./lambda-estimate.ts";
import { readRunUse } from "./run-use.ts";

/** The two newest are kept (worker/checkpoint.ts). */
const KEPT_CHECKPOINTS = 2;

/** After these nothing is left to do; after others the run can be taken up again. */
const COMPLETE: readonly StopReason[] = ["epochs-done", "target-reached", "converged", "no-improvement"];

/** Throws "replicas-differ" naming the workers. */
export async function summarise(
  storage: Storage,
  { manifest, record }: Crew,
  results: readonly WorkerResult[],
): Promise<RunSummary> {
  const { config, runId } = manifest;
  const keys = runKeys(runId);
  const first = results[0]!;
  const { reason } = first;
  assert(reason !== "resized", "a crew that makes room for another does not end its run");
  assertEqualParameters(results);
  const metrics = await getJsonLines<EpochMetrics>(storage, keys.metrics);
  const evaluation = await evaluateRun({ storage, runId, data: undefined, split: "validation" });
  const use = await readRunUse(storage, runId);
  const sum = (pick: (result: WorkerResult) => number) =>
    results.reduce((total, result) => total + pick(result), 0);
  const mean = (pick: (result: WorkerResult) => number) => sum(pick) / results.length;
  const largest = (pick: (result: WorkerResult) => number) => Math.max(...results.map(pick));
  const wallMs = largest(({ endedAt }) => Date.parse(endedAt)) - Date.parse(record.at);
  return {
    runId,
    status: COMPLETE.includes(reason) ? "completed" : "stopped",
    reason,
    model: config.model,
    data: config.data,
    workers: record.workers,
    device: config.device === "webgpu" ? config.device : "wasm",
    gpus: gpusOf(results),
    epochs: first.epochs,
    steps: first.steps,
    ...skippedStepsOf(metrics),
    loss: metrics.at(-1)?.loss ?? first.firstLosses.at(-1) ?? Number.NaN,
    validationLoss: evaluation.loss,
    accuracy: evaluation.accuracy,
    best: bestOf(metrics, first.steps, config, (key) => locate(storage.uri, keys[key])),
    wallMs,
    firstStepMs: mean(({ firstStepMs }) => firstStepMs),
    computeMs: mean(({ totals }) => totals.computeMs),
    gpuBusyMs: mean(({ totals }) => totals.gpuBusyMs),
    dataMs: mean(({ totals }) => totals.dataMs),
    exchangeMs: mean(({ totals }) => totals.exchangeMs),
    waitMs: mean(({ totals }) => totals.waitMs),
    bytesUp: sum(({ totals }) => totals.bytesUp),
    bytesDown: sum(({ totals }) => totals.bytesDown),
    requests: sum(({ totals }) => totals.requests),
    requestsUsd: sum(({ totals }) => totals.requestsUsd),
    peakMemoryMiB: largest(({ peakMemoryMiB }) => peakMemoryMiB),
    arenaMiB: largest(({ arenaMiB }) => arenaMiB),
    generations: use.generations,
    restarts: use.restarts,
    gbSeconds: use.gbSeconds,
    costUsd: addCost(record.before, addCost(use.cost, runCost([], [heldBy(manifest, storage, wallMs)]))),
    byWorker: use.byRank,
    lambdaCostUsd: lambdaEstimate(ofCrew(manifest, record.workers))({
      wallMs: largest(({ wallMs }) => wallMs),
      steps: first.steps - first.resumedFrom.steps,
      epochs: first.epochs - first.resumedFrom.epochs,
    }),
    compressingWorkers: results.filter(({ compresses }) => compresses).length,
    firstLosses: first.firstLosses,
    parametersSha256: first.parametersSha256,
    modelPath: locate(storage.uri, keys.model),
    topologyPath: locate(storage.uri, keys.topology),
  };
}

/** Of a run that scaled its loss. */
function skippedStepsOf(metrics: readonly EpochMetrics[]): Pick<RunSummary, "skippedSteps"> {
  const scaled = metrics.flatMap(({ skippedSteps }) => skippedSteps ?? []);
  return scaled.length === 0 ? {} : { skippedSteps: scaled.reduce((sum, steps) => sum + steps, 0) };
}

/** In the machine's order. */
export function gpusOf(results: readonly WorkerResult[]): readonly GpuUse[] {
  const gpus = new Map(results.flatMap(({ gpu }) => (gpu === undefined ? [] : [[gpu.index, gpu] as const])));
  return [...gpus]
    .sort(([a], [b]) => a - b)
    .map(([index, gpu]) => {
      const workers = results.filter((result) => result.gpu?.index === index);
      const sum = (pick: (totals: WorkTotals) => number) =>
        workers.reduce((total, { totals }) => total + pick(totals), 0);
      const busyMs = sum(({ gpuBusyMs }) => gpuBusyMs);
      const meanMs =
        sum(({ computeMs, dataMs, exchangeMs, waitMs }) => computeMs + dataMs + exchangeMs + waitMs) /
        workers.length;
      const busyShare = busyMs > 0 ? busyMs / meanMs : null;
      return { ...gpu, ranks: workers.map(({ rank }) => rank), busyShare };
    });
}

/** Frames and checkpoints while the run lasted; its model and its data, which stay, are not of the run alone. */
function heldBy({ frames, topology, config }: RunManifest, storage: Storage, wallMs: number): HeldObjects {
  const { parameters, statistics } = layoutsOf(topology);
  const vectors = 1 + optimizerOf(config).stateNames.length;
  const checkpointBytes = 4 * (vectors * parameters.length + statistics.length);
  return {
    bytes: frames.maxBytes + KEPT_CHECKPOINTS * checkpointBytes,
    ms: wallMs,
    gibMonthUsd: storage.capabilities.prices?.heldGiBMonthUsd ?? 0,
  };
}

/** Its model lies by itself where it is not the run's own. */
function bestOf(
  metrics: readonly EpochMetrics[],
  steps: number,
  { keep, bestBy }: RunManifest["config"],
  locateKey: (key: "model" | "bestModel") => string,
): BestEpoch | null {
  const best = bestEpoch(metrics, bestBy);
  if (!best) return null;
  const { epoch, step, validationLoss, accuracy } = best;
  const modelPath = locateKey(step === steps || keep === "best" ? "model" : "bestModel");
  return { epoch, validationLoss: validationLoss!, accuracy, modelPath };
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

/** A path for a file system, a URI for anything else. */
function locate(storageUri: string, key: string): string {
  const base = storageUri.startsWith("fs:") ? storageUri.slice("fs:".length) : storageUri;
  return `${base.replace(/\/+$/, "")}/${key}`;
}
