// Time as pollers and layers see it, so that a test can run minutes of it at once.

import { setTimeout } from "node:timers/promises";

export interface Clock {
  /** Milliseconds since some moment; never goes back. */
  nowMs(): number;
  /** Throws the signal's reason when it is aborted. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}

export const realClock: Clock = {
  nowMs: () => performance.now(),
  async sleep(durationMs, signal) {
    try {
      await setTimeout(durationMs, undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      // The timer wraps the reason in an AbortError of its own; the caller is promised the reason.
      signal?.throwIfAborted();
      throw error;
    }
  },
};
