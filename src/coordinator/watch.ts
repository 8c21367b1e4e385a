// Follows a run through storage until every worker has left its result, or one has failed.

import { SltrainError } from "../errors.ts";
import { listsCheaper } from "../plan/watch-pace.ts";
import { getJson, getJsonLines } from "../run/json-object.ts";
import { runKeys, type RunKeys } from "../run/keys.ts";
import { resumeCommand } from "../run/resume-command.ts";
import type { EpochMetrics, Heartbeat, WorkerFailure, WorkerResult } from "../run/records.ts";
import type { Storage } from "../storage/storage.ts";
import type { FunctionExit, Invocation } from "./provider.ts";

/** While a function has ended and its last object has not been seen. */
const EXIT_POLL_MS = 100;
/** A function's process may end a moment before its last object is visible to us. */
const GRACE_MS = 2_000;
const LOG_LINES = 12;

export interface WatchOptions {
  readonly storage: Storage;
  readonly runId: string;
  readonly attempt: number;
  readonly invocations: readonly Invocation[];
  readonly epochsBefore: number;
  /** Between two looks. */
  readonly pollMs: number;
  readonly onWorkerStarted: (worker: { readonly rank: number; readonly pid: number }) => void;
  readonly onWorkerEnded: (result: WorkerResult) => void;
  readonly onEpoch: (metrics: EpochMetrics) => void;
  readonly onProgress: (heartbeat: Heartbeat) => void;
}

/** The workers' results by rank. Throws what the first failing worker failed with, naming rank, step and log. */
export async function watchRun(options: WatchOptions): Promise<WorkerResult[]> {
  const watch = new RunWatch(options);
  while (!(await watch.poll())) await watch.pause();
  return watch.results;
}

/** One look after another at a run, with as few requests as tell what is new: what pollUsd() of plan/ adds up. */
export class RunWatch {
  readonly #options: WatchOptions;
  readonly #keys: RunKeys;
  readonly #results = new Map<number, WorkerResult>();
  readonly #started = new Set<number>();
  readonly #exits = new Map<number, { readonly exit: FunctionExit; readonly atMs: number }>();
  #epochsSeen: number;
  #wake: () => void = () => undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#keys = runKeys(options.runId);
    this.#epochsSeen = options.epochsBefore;
    for (const { rank, exited } of options.invocations) {
      void exited.then((exit) => {
        this.#exits.set(rank, { exit, atMs: performance.now() });
        this.#wake();
      });
    }
  }

  /** By rank. */
  get results(): WorkerResult[] {
    return [...this.#results.values()].sort((a, b) => a.rank - b.rank);
  }

  /** Whether all workers have left their results. Throws as watchRun. */
  async poll(): Promise<boolean> {
    const { storage, attempt, invocations } = this.#options;
    const exits = new Map(this.#exits);
    const open = invocations.filter(({ rank }) => !this.#results.has(rank));
    const failures = await this.#failures(open.map(({ rank }) => rank));
    for (const invocation of open) {
      const { rank } = invocation;
      const exit = exits.get(rank);
      const isNews = !this.#started.has(rank);
      const heartbeat =
        rank === 0 || isNews
          ? await getJson<Heartbeat>(storage, this.#keys.heartbeat(attempt, rank, 0))
          : undefined;
      // All ranks end at the same step.
      const mayHaveEnded = rank === 0 || this.#results.has(0) || exit !== undefined;
      const result = mayHaveEnded
        ? await getJson<WorkerResult>(storage, this.#keys.result(attempt, rank))
        : undefined;
      const alive = heartbeat ?? result;
      if (alive && isNews) {
        this.#started.add(rank);
        this.#options.onWorkerStarted(alive);
      }
      if (heartbeat && rank === 0) this.#options.onProgress(heartbeat);
      if (result) {
        // Its epochs were stored before its result was.
        await this.#readEpochs();
        this.#results.set(rank, result);
        this.#options.onWorkerEnded(result);
        continue;
      }
      const failure = failures.get(rank);
      if (failure || (exit && performance.now() - exit.atMs > (exit.exit.code === 0 ? GRACE_MS : 0))) {
        throw await workerError(this.#options, invocation, failure, exit?.exit);
      }
    }
    if (this.#results.size === invocations.length) return true;
    await this.#readEpochs();
    return false;
  }

  /** Until the next look is due, or a function ends. */
  async pause(): Promise<void> {
    const awaitsResult = [...this.#exits.keys()].some((rank) => !this.#results.has(rank));
    const pauseMs = awaitsResult ? EXIT_POLL_MS : this.#options.pollMs;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pauseMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #failures(ranks: readonly number[]): Promise<Map<number, WorkerFailure>> {
    const { storage, attempt } = this.#options;
    let asked = ranks.map((rank) => ({ rank, key: this.#keys.workerFailure(attempt, rank) }));
    if (listsCheaper(storage.capabilities.prices, ranks.length)) {
      const present = new Set(await Array.fromAsync(storage.list(this.#keys.failures)));
      asked = asked.filter(({ key }) => present.has(key));
    }
    const failures = new Map<number, WorkerFailure>();
    for (const { rank, key } of asked) {
      const failure = await getJson<WorkerFailure>(storage, key);
      if (failure) failures.set(rank, failure);
    }
    return failures;
  }

  async #readEpochs(): Promise<void> {
    const metrics = await getJsonLines<EpochMetrics>(this.#options.storage, this.#keys.metrics);
    for (const epoch of metrics.slice(this.#epochsSeen)) this.#options.onEpoch(epoch);
    this.#epochsSeen = Math.max(this.#epochsSeen, metrics.length);
  }
}

async function workerError(
  { storage, runId, attempt }: WatchOptions,
  invocation: Invocation,
  failure: WorkerFailure | undefined,
  exit: FunctionExit | undefined,
): Promise<SltrainError> {
  const heartbeatKey = runKeys(runId).heartbeat(attempt, invocation.rank, 0);
  const step = failure?.step ?? (await getJson<Heartbeat>(storage, heartbeatKey))?.step;
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
