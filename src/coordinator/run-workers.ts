// Starts one function per rank and follows the run to its end. Ctrl-C becomes a stop request in storage.

import { watchPace } from "../plan/watch-pace.ts";
import { putJson } from "../run/json-object.ts";
import { runKeys } from "../run/keys.ts";
import { RUN_SCHEMA_VERSION, type WorkerResult } from "../run/records.ts";
import type { Storage } from "../storage/storage.ts";
import type { TrainEvent } from "./events.ts";
import { lambdaEstimate } from "./lambda-estimate.ts";
import type { PreparedRun } from "./prepare.ts";
import type { Invocation, ProcessProvider } from "./provider.ts";
import { watchRun } from "./watch.ts";

export interface RunWorkersOptions extends PreparedRun {
  readonly storage: Storage;
  readonly provider: ProcessProvider;
  /** Epochs that earlier attempts have finished. */
  readonly epochsBefore: number;
  readonly onEvent: (event: TrainEvent) => void;
  readonly signal: AbortSignal;
}

/** The workers' results by rank. On a failure all workers have ended before it is thrown. */
export async function runWorkers(options: RunWorkersOptions): Promise<WorkerResult[]> {
  const { storage, provider, manifest, attempt, epochsBefore, onEvent, signal } = options;
  const { config, runId } = manifest;
  const costUsd = lambdaEstimate(manifest);
  const invocations: Invocation[] = [];
  // Where the run is now: it may have been started with another path to the same store.
  const uris = {
    storage: storage.uri,
    channel: config.channel === config.storage ? storage.uri : config.channel,
  };
  const requestStop = () => {
    void putJson(storage, runKeys(runId).stop, { at: new Date().toISOString() }).catch((error: unknown) => {
      onEvent({ event: "warning", message: `could not ask the workers to stop: ${String(error)}` });
    });
  };
  signal.addEventListener("abort", requestStop, { once: true });
  if (signal.aborted) requestStop();
  try {
    for (let rank = 0; rank < config.workers; rank++) {
      const member = { schemaVersion: RUN_SCHEMA_VERSION, kind: "worker", runId, rank, attempt } as const;
      const event = { ...member, generation: 0, reason: "start" } as const;
      invocations.push(await provider.invoke({ ...event, ...uris }));
    }
    return await watchRun({
      storage,
      runId,
      attempt,
      invocations,
      epochsBefore,
      pollMs: watchPace(storage.capabilities.prices, config).pollMs,
      onWorkerStarted: ({ rank, pid }) => onEvent({ event: "worker.started", rank, pid }),
      onWorkerEnded: ({ rank, peakMemoryMiB, firstStepMs }) =>
        onEvent({ event: "worker.ended", rank, peakMemoryMiB, firstStepMs }),
      onEpoch: (metrics) =>
        onEvent({
          event: "epoch",
          ...metrics,
          lambdaCostUsd: costUsd({ wallMs: metrics.elapsedMs, steps: metrics.step, epochs: metrics.epoch }),
        }),
      onProgress: ({ epoch, samples, loss }) => onEvent({ event: "progress", epoch, samples, loss }),
    });
  } catch (error) {
    // The others would wait for the missing one until their deadline.
    for (const invocation of invocations) invocation.kill();
    await Promise.all(invocations.map(({ exited }) => exited));
    throw error;
  } finally {
    signal.removeEventListener("abort", requestStop);
  }
}
