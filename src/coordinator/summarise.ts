// A run's results in one record: what the workers left, and what their model is worth.

import { SltrainError } from "../errors.ts";
import { getJsonLines } from "../run/json-object.ts";
import { runKeys } from "../run/keys.ts";
import type { EpochMetrics, RunManifest, RunSummary, WorkerResult } from "../run/records.ts";
import type { Storage } from "../storage/storage.ts";
import { evaluateRun } from "./evaluate-run.ts";
import { lambdaEstimate } from "./lambda-estimate.ts";

/** Everything but the wall time, which is the caller's. Throws "replicas-differ" naming the workers. */
export async function summarise(
  storage: Storage,
  manifest: RunManifest,
  results: readonly WorkerResult[],
): Promise<Omit<RunSummary, "wallMs">> {
  const { config, runId } = manifest;
  const keys = runKeys(runId);
  const first = results[0]!;
  assertEqualParameters(results);
  const metrics = await getJsonLines<EpochMetrics>(storage, keys.metrics);
  const evaluation = await evaluateRun({ storage, runId, data: undefined, split: "validation" });
  const sum = (pick: (result: WorkerResult) => number) =>
    results.reduce((total, result) => total + pick(result), 0);
  const mean = (pick: (result: WorkerResult) => number) => sum(pick) / results.length;
  const largest = (pick: (result: WorkerResult) => number) => Math.max(...results.map(pick));
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
    validationLoss: evaluation.loss,
    accuracy: evaluation.accuracy,
    firstStepMs: mean(({ firstStepMs }) => firstStepMs),
    computeMs: mean(({ totals }) => totals.computeMs),
    exchangeMs: mean(({ totals }) => totals.exchangeMs),
    waitMs: mean(({ totals }) => totals.waitMs),
    bytesUp: sum(({ totals }) => totals.bytesUp),
    bytesDown: sum(({ totals }) => totals.bytesDown),
    requests: sum(({ totals }) => totals.requests),
    requestsUsd: sum(({ totals }) => totals.requestsUsd),
    peakMemoryMiB: largest(({ peakMemoryMiB }) => peakMemoryMiB),
    arenaMiB: largest(({ arenaMiB }) => arenaMiB),
    lambdaCostUsd: lambdaEstimate(manifest)({
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
