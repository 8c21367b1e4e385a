// Tells the run's watchers where this worker is, and asks whether it should stop, a few times a second. Nothing waits
// for it: a slow storage delays the next beat, not the training.

import { getJson, putJson } from "../run/json-object.ts";
import type { Heartbeat } from "../run/records.ts";
import type { Storage } from "../storage/storage.ts";

export interface HeartbeatOptions {
  readonly storage: Storage;
  readonly heartbeatKey: string;
  readonly stopKey: string;
  readonly intervalMs: number;
  readonly read: () => Omit<Heartbeat, "at">;
}

export class HeartbeatTimer {
  readonly #options: HeartbeatOptions;
  readonly #timer: NodeJS.Timeout;
  #beating: Promise<void> | undefined;
  #stopRequested = false;
  #error: Error | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#beat(), options.intervalMs);
    this.#timer.unref();
    this.#beat();
  }

  /**
   * Whether somebody has asked the run to stop. Throws what the last beat failed with: a worker that nobody can see
   * or stop must not go on.
   */
  stopRequested(): boolean {
    if (this.#error) throw this.#error;
    return this.#stopRequested;
  }

  /** Starts a beat unless one is under way. */
  #beat(): void {
    this.#beating ??= this.#beatOnce().finally(() => (this.#beating = undefined));
  }

  async #beatOnce(): Promise<void> {
    const { storage, heartbeatKey, stopKey, read } = this.#options;
    try {
      await putJson(storage, heartbeatKey, { ...read(), at: new Date().toISOString() } satisfies Heartbeat);
      this.#stopRequested ||= (await getJson(storage, stopKey)) !== undefined;
    } catch (error) {
      // Thrown by `stopRequested`, on the training loop's own stack.
      this.#error = error instanceof Error ? error : new Error(String(error));
    }
  }

  /** Ends the beating. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#beating;
  }

  /** Ends the beating and takes the last beat away: who has ended in good order is no longer alive. */
  async close(): Promise<void> {
    await this.stop();
    await this.#options.storage.delete([this.#options.heartbeatKey]);
  }
}
