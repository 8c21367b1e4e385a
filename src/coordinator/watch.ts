// Follows a run through storage until every worker has left its result, or one has failed.

import { setTimeout as sleep } from "node:timers/promises";
import { SltrainError } from "../errors.ts";
import { getJson, getJsonLines } from "../run/json-object.ts";
import { runKeys } from "../run/keys.ts";
import { resumeCommand } from "../run/resume-command.ts";
import type { EpochMetrics, Heartbeat, WorkerFailure, WorkerResult } from "../run/records.ts";
import type { Storage } from "../storage/storage.ts";
import type { FunctionExit, Invocation } from "./provider.ts";

const POLL_INTERVAL_MS = 100;
/** A function's process may end a moment before its last object is visible to us. */
const GRACE_MS = 2_000;
const LOG_LINES = 12;

export interface WatchOptions {
  readonly storage: Storage;
  readonly runId: string;
  readonly attempt: number;
  readonly invocations: readonly Invocation[];
  readonly epochsBefore: number;
  readonly onWorkerStarted: (worker: { readonly rank: number; readonly pid: number }) => void;
  readonly onWorkerEnded: (result: WorkerResult) => void;
  readonly onEpoch: (metrics: EpochMetrics) => void;
  readonly onProgress: (heartbeat: Heartbeat) => void;
}

/** The workers' results by rank. Throws what the first failing worker failed with, naming rank, step and log. */
export async function watchRun(options: WatchOptions): Promise<WorkerResult[]> {
  const { storage, runId, attempt, invocations } = options;
  const keys = runKeys(runId);
  const results = new Map<number, WorkerResult>();
  const started = new Set<number>();
  const exits = new Map<number, { exit: FunctionExit; atMs: number }>();
  let epochsSeen = options.epochsBefore;
  for (const invocation of invocations) {
    void invocation.exited.then((exit) => exits.set(invocation.rank, { exit, atMs: performance.now() }));
  }

  const readEpochs = async () => {
    const metrics = await getJsonLines<EpochMetrics>(storage, keys.metrics);
    for (const epoch of metrics.slice(epochsSeen)) options.onEpoch(epoch);
    epochsSeen = Math.max(epochsSeen, metrics.length);
  };

  for (;;) {
    for (const invocation of invocations) {
      const { rank } = invocation;
      if (results.has(rank)) continue;
      const exit = exits.get(rank);
      const heartbeat = await getJson<Heartbeat>(storage, keys.heartbeat(attempt, rank));
      const result = await getJson<WorkerResult>(storage, keys.result(attempt, rank));
      const alive = heartbeat ?? result;
      if (alive && !started.has(rank)) {
        started.add(rank);
        options.onWorkerStarted(alive);
      }
      if (heartbeat && rank === 0) options.onProgress(heartbeat);
      if (result) {
        // Its epochs were stored before its result was.
        await readEpochs();
        results.set(rank, result);
        options.onWorkerEnded(result);
        continue;
      }
      const failure = await getJson<WorkerFailure>(storage, keys.workerFailure(attempt, rank));
      if (failure || (exit && performance.now() - exit.atMs > (exit.exit.code === 0 ? GRACE_MS : 0))) {
        throw await workerError(options, invocation, failure?.step ?? heartbeat?.step, failure, exit?.exit);
      }
    }
    await readEpochs();
    if (results.size === invocations.length) return [...results.values()].sort((a, b) => a.rank - b.rank);
    await sleep(POLL_INTERVAL_MS);
  }
}

async function workerError(
  { storage, runId }: WatchOptions,
  invocation: Invocation,
  step: number | undefined,
  failure: WorkerFailure | undefined,
  exit: FunctionExit | undefined,
): Promise<SltrainError> {
  const where = `worker ${invocation.rank}${step === undefined ? " before its first step" : ` at step ${step}`}`;
  if (failure && failure.code !== "worker-crashed") {
    return new SltrainError({
      code: failure.code,
      message: `${where}: ${failure.message}`,
      suggestions: failure.suggestions,
    });
  }
  const how = exit?.signal
    ? `was ended by ${exit.signal}`
    : exit
      ? `ended with exit code ${exit.code}`
      : "failed";
  const log = (await invocation.logTail(LOG_LINES)).filter((line) => line !== "");
  if (!failure && log.length === 0)
    await probeStorage(storage, runId, `${where} ${how} and could leave no word why`);
  const checkpoints = await Array.fromAsync(storage.list(runKeys(runId).checkpoints));
  return new SltrainError({
    code: "worker-died",
    message: `${where} ${how}; its last log lines:\n${log.length > 0 ? log.map((line) => `  ${line}`).join("\n") : "  (none)"}`,
    suggestions: [
      checkpoints.length > 0
        ? `The last checkpoint remains: \`${resumeCommand(runId, storage.uri)}\` goes on from it.`
        : `There is no checkpoint yet: \`${resumeCommand(runId, storage.uri)}\` begins again.`,
    ],
  });
}

/** A full disk takes a worker's last words with it: throws what the storage itself says, if it refuses a small object. */
async function probeStorage(storage: Storage, runId: string, what: string): Promise<void> {
  const key = runKeys(runId).probe;
  try {
    await storage.put(key, [new Uint8Array(64 * 1024)]);
    await storage.delete([key]);
  } catch (cause) {
    if (!(cause instanceof SltrainError)) throw cause;
    const { code, message, suggestions } = cause;
    throw new SltrainError({ code, message: `${what}; ${message}`, suggestions, cause });
  }
}
