// Tells the run's watchers where this worker is, and looks whether it should stop, each at its pace. Nothing waits for
// it: a slow storage delays the next beat, not the training.

import { getJson, putJson } from "../run/json-object.ts";
import type { Heartbeat, WorkerState } from "../run/records.ts";
import type { Storage } from "../storage/storage.ts";

export interface HeartbeatOptions {
  readonly storage: Storage;
  readonly heartbeatKey: string;
  readonly stopKey: string;
  readonly beatMs: number;
  readonly stopCheckMs: number;
  readonly read: () => Omit<Heartbeat, "at" | "beat" | "state">;
}

export class HeartbeatTimer {
  readonly #options: HeartbeatOptions;
  readonly #timers: readonly RepeatedAction[];
  #beats = 0;
  #stopRequested = false;
  #error: Error | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#timers = [
      new RepeatedAction(options.beatMs, () => this.#guard(() => this.#beat("training"))),
      new RepeatedAction(options.stopCheckMs, () => this.#guard(() => this.#lookForStop())),
    ];
  }

  /**
   * Whether somebody has asked the run to stop. Throws what the last beat failed with: a worker that nobody can see
   * or stop must not go on.
   */
  stopRequested(): boolean {
    if (this.#error) throw this.#error;
    return this.#stopRequested;
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

  async #beat(state: WorkerState): Promise<void> {
    const { storage, heartbeatKey, read } = this.#options;
    const beat: Heartbeat = { ...read(), beat: this.#beats++, state, at: new Date().toISOString() };
    await putJson(storage, heartbeatKey, beat);
  }

  async #lookForStop(): Promise<void> {
    const { storage, stopKey } = this.#options;
    this.#stopRequested ||= (await getJson(storage, stopKey)) !== undefined;
  }

  async #guard(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      // Thrown by `stopRequested`, on the training loop's own stack.
      this.#error = error instanceof Error ? error : new Error(String(error));
    }
  }
}

/** Begins at once and at every interval, unless the last time is still under way. Keeps no process alive. */
class RepeatedAction {
  readonly #timer: NodeJS.Timeout;
  readonly #action: () => Promise<void>;
  #running: Promise<void> | undefined;

  constructor(intervalMs: number, action: () => Promise<void>) {
    this.#action = action;
    this.#timer = setInterval(() => this.#run(), intervalMs);
    this.#timer.unref();
    this.#run();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  #run(): void {
    this.#running ??= this.#action().finally(() => (this.#running = undefined));
  }
}
