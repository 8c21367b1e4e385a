// Follows a crew through storage until every worker has left its result, or one has failed.

import { listsCheaper } from "../plan/watch-pace.ts";
import { getJson, getJsonLines } from "../run/json-object.ts";
import { runKeys, type RunKeys } from "../run/keys.ts";
import type { EpochMetrics, Heartbeat, Lease, WorkerFailure, WorkerResult } from "../run/records.ts";
import type { Storage } from "../storage/storage.ts";

export interface WatchOptions {
  readonly storage: Storage;
  /** Where rank 0's heartbeats and the metrics are read. */
  readonly progress: Storage;
  readonly runId: string;
  readonly attempt: number;
  readonly workers: number;
  /** Epochs that were told before. */
  readonly epochsBefore: number;
  /** A generation of a rank has begun to act, when the run was known to be at `step`. */
  readonly onLease: (holder: RankLease, step: number) => void;
  readonly onWorkerEnded: (result: WorkerResult) => void;
  readonly onEpoch: (metrics: EpochMetrics) => void;
  readonly onProgress: (heartbeat: Heartbeat) => void;
}

export interface RankLease {
  readonly rank: number;
  readonly generation: number;
  readonly lease: Lease;
}

/** What a worker left that could not go on. */
export class WorkerFailed extends Error {
  readonly failure: WorkerFailure;

  constructor(failure: WorkerFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** One look after another at a run, with as few requests as tell what is new: what pollUsd() of plan/ adds up. */
export class RunWatch {
  readonly #options: WatchOptions;
  readonly #keys: RunKeys;
  readonly #leases = new Map<number, RankLease>();
  readonly #results = new Map<number, WorkerResult>();
  #leader: Heartbeat | undefined;
  #epochsSeen: number;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#keys = runKeys(options.runId);
    this.#epochsSeen = options.epochsBefore;
  }

  /** The ranks that have not ended, each with its newest generation; -1 where none has acted yet. */
  get open(): { readonly rank: number; readonly generation: number }[] {
    return this.#ranks()
      .filter((rank) => !this.#results.has(rank))
      .map((rank) => ({ rank, generation: this.#leases.get(rank)?.generation ?? -1 }));
  }

  /** Rank 0's newest heartbeat. */
  get leader(): Heartbeat | undefined {
    return this.#leader;
  }

  /** The number of workers that this crew has made room for; undefined while it has not ended, or for another reason. */
  get resizedTo(): number | undefined {
    return this.#results.get(0)?.resizedTo;
  }

  /**
   * Another text whenever the run has come further. A rank that hands over again and again while it waits for a dead one
   * does not get the run on.
   */
  get progress(): string {
    const { step = 0, epoch = 0 } = this.#leader ?? {};
    return [step, epoch, this.#results.size, this.#epochsSeen].join(" ");
  }

  /** Whether all workers have left their results. Throws WorkerFailed. */
  async poll(): Promise<boolean> {
    const { progress, attempt, workers } = this.#options;
    const failureKey = (rank: number) => this.#keys.workerFailure(attempt, rank);
    const [failure] = await this.#read(this.#keys.failures, failureKey);
    if (failure) throw new WorkerFailed(failure.object as WorkerFailure);
    await this.#readLeases();
    const leading = this.#leases.get(0);
    if (leading && !this.#results.has(0)) {
      const key = this.#keys.heartbeat(attempt, 0, leading.generation);
      this.#leader = (await getJson<Heartbeat>(progress, key)) ?? this.#leader;
      if (this.#leader) this.#options.onProgress(this.#leader);
    }
    const ended = await this.#readResults();
    // Its epochs were stored before a worker's result was.
    await this.#readEpochs();
    ended.forEach((result) => this.#options.onWorkerEnded(result));
    return this.#results.size === workers;
  }

  #ranks(): number[] {
    return Array.from({ length: this.#options.workers }, (_, rank) => rank);
  }

  async #readLeases(): Promise<void> {
    const { attempt } = this.#options;
    const next = (rank: number) => (this.#leases.get(rank)?.generation ?? -1) + 1;
    const folder = `${this.#keys.leases}${attempt}/`;
    const fresh = await this.#read(folder, (rank) => this.#keys.lease(attempt, rank, next(rank)));
    for (const { rank, object } of fresh) {
      const holder = { rank, generation: next(rank), lease: object as Lease };
      this.#leases.set(rank, holder);
      this.#options.onLease(holder, this.#leader?.step ?? 0);
    }
  }

  /** All ranks end at the same step, so nobody is asked before rank 0 has ended. */
  async #readResults(): Promise<WorkerResult[]> {
    const { storage, attempt } = this.#options;
    const found: WorkerResult[] = [];
    for (const { rank } of this.open) {
      if (rank !== 0 && !this.#results.has(0)) break;
      const result = await getJson<WorkerResult>(storage, this.#keys.result(attempt, rank));
      if (!result) continue;
      this.#results.set(rank, result);
      found.push(result);
    }
    return found;
  }

  /** One object of each open rank, where it is there; as JSON. */
  async #read(
    folder: string,
    keyOf: (rank: number) => string,
  ): Promise<{ readonly rank: number; readonly object: unknown }[]> {
    const { storage } = this.#options;
    let asked = this.open.map(({ rank }) => ({ rank, key: keyOf(rank) }));
    if (listsCheaper(storage.capabilities.prices, asked.length)) {
      const present = new Set(await Array.fromAsync(storage.list(folder)));
      asked = asked.filter(({ key }) => present.has(key));
    }
    const found: { rank: number; object: unknown }[] = [];
    for (const { rank, key } of asked) {
      const object = await getJson(storage, key);
      if (object !== undefined) found.push({ rank, object });
    }
    return found;
  }

  async #readEpochs(): Promise<void> {
    const metrics = await getJsonLines<EpochMetrics>(this.#options.progress, this.#keys.metrics);
    for (const epoch of metrics.slice(this.#epochsSeen)) this.#options.onEpoch(epoch);
    this.#epochsSeen = Math.max(this.#epochsSeen, metrics.length);
  }
}
