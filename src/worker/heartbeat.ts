// Tells the run's watchers where this worker is, and looks whether it should stop or whether another acts for its rank,
// each at its pace. Nothing waits for it: a slow storage delays the next beat, not the training.

import { getJson, putJson } from "../run/json-object.ts";
import type { RunKeys } from "../run/keys.ts";
import type { ResizeRequest } from "../run/membership.ts";
import type { Heartbeat, WorkerEvent, WorkerState } from "../run/records.ts";
import type { Storage } from "../storage/storage.ts";

export interface HeartbeatOptions {
  readonly storage: Storage;
  readonly keys: RunKeys;
  /** Whose beats. */
  readonly worker: Member;
  /** Between two beats while steps are finished: whoever waits for this rank then sees it by them. */
  readonly beatMs: number;
  /** Between two beats while none are. */
  readonly stalledBeatMs: number;
  /** Between two looks for a stop request and another worker of this rank, and before one while none are. */
  readonly lookMs: number;
  readonly read: () => Omit<Heartbeat, keyof Member | "pid" | "beat" | "state" | "at">;
  /** Aborted with a `Fenced` when nobody needs this worker any more. */
  readonly fence: AbortController;
}

type Member = Pick<WorkerEvent, "rank" | "attempt" | "generation">;

/** Another generation of this rank acts, or another crew: a reason to end that is no failure. */
export class Fenced extends Error {
  override readonly name = "Fenced";
}

export class HeartbeatTimer {
  readonly #options: HeartbeatOptions;
  readonly #timers: readonly RepeatedAction[];
  #beats = 0;
  #beatAtMs = -Infinity;
  /** Of the last step, and how long one takes. */
  #steppedAtMs = performance.now();
  #stepMs = 0;
  #stopRequested = false;
  #workersWanted: number | undefined;
  #error: Error | undefined;

  /** Beats at once where the worker begins with nothing; else by the next time it has taken up its state. */
  constructor(options: HeartbeatOptions) {
    const { beatMs, stalledBeatMs, lookMs, worker } = options;
    this.#options = options;
    const beats = new RepeatedAction(Math.min(beatMs, stalledBeatMs), () =>
      this.#guard(() => this.#beatIfDue()),
    );
    const looks = new RepeatedAction(lookMs, () => this.#guard(() => this.#look()));
    if (worker.attempt + worker.generation === 0) beats.run();
    looks.run();
    this.#timers = [beats, looks];
  }

  get generation(): number {
    return this.#options.worker.generation;
  }

  /** To be called when a step is finished. */
  stepped(): void {
    const now = performance.now();
    this.#stepMs = now - this.#steppedAtMs;
    this.#steppedAtMs = now;
  }

  /**
   * Whether somebody has asked the run to stop. Throws what the last beat failed with: a worker that nobody can see
   * or stop must not go on.
   */
  stopRequested(): boolean {
    if (this.#error) throw this.#error;
    return this.#stopRequested;
  }

  /** How many workers the run should have, if anybody has said; known to rank 0. */
  get workersWanted(): number | undefined {
    return this.#workersWanted;
  }

  /** Whether another worker acts in this one's place, as of now. */
  isFenced(): Promise<boolean> {
    return this.#look();
  }

  /** Ends the beating. */
  async stop(): Promise<void> {
    await Promise.all(this.#timers.map((timer) => timer.stop()));
  }

  /** Ends the beating with a last beat that says how. */
  async end(state: WorkerState): Promise<void> {
    await this.stop();
    await this.#beat(state);
  }

  async #beatIfDue(): Promise<void> {
    const { beatMs, stalledBeatMs } = this.#options;
    const now = performance.now();
    // Where a step always takes that long, nobody wonders yet.
    const isStalled = now - this.#steppedAtMs > Math.max(stalledBeatMs, this.#stepMs);
    if (!isStalled && now - this.#beatAtMs < beatMs) return;
    await this.#beat("training");
    // It may have been frozen for long.
    if (isStalled) await this.#look();
  }

  async #beat(state: WorkerState): Promise<void> {
    const { storage, keys, worker, read } = this.#options;
    const { rank, attempt, generation } = worker;
    this.#beatAtMs = performance.now();
    const beat: Heartbeat = {
      ...{ rank, attempt, generation, pid: process.pid, beat: this.#beats++, state },
      ...{ ...read(), at: new Date().toISOString() },
    };
    await putJson(storage, keys.heartbeat(attempt, rank, generation), beat);
  }

  /** For a stop request, and whether another worker acts for this rank. */
  async #look(): Promise<boolean> {
    const { storage, keys, worker, fence } = this.#options;
    const { rank, attempt, generation } = worker;
    const signs = [keys.stop, keys.lease(attempt, rank, generation + 1), keys.attempt(attempt + 1)];
    const [stop, ...successors] = await Promise.all(signs.map((key) => getJson(storage, key)));
    this.#stopRequested ||= stop !== undefined;
    if (rank === 0) this.#workersWanted = (await getJson<ResizeRequest>(storage, keys.resize))?.workers;
    const isFenced = successors.some((found) => found !== undefined);
    if (isFenced) fence.abort(new Fenced());
    return isFenced;
  }

  async #guard(action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
    } catch (error) {
      // Thrown by `stopRequested`, on the training loop's own stack.
      this.#error = error instanceof Error ? error : new Error(String(error));
    }
  }
}

/** At every interval, unless the last time is still under way. Keeps no process alive. */
class RepeatedAction {
  readonly #timer: NodeJS.Timeout;
  readonly #action: () => Promise<void>;
  #running: Promise<void> | undefined;

  constructor(intervalMs: number, action: () => Promise<void>) {
    this.#action = action;
    this.#timer = setInterval(() => this.run(), intervalMs);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  run(): void {
    this.#running ??= this.#action().finally(() => (this.#running = undefined));
  }
}
