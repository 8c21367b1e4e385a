// A clock whose time passes as soon as nothing else is left to do.

import type { Clock } from "../../src/storage/clock.ts";

export class VirtualClock implements Clock {
  #nowMs = 0;
  #sleepers: { readonly atMs: number; readonly wake: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  async sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    const atMs = this.#nowMs + durationMs;
    if (this.#sleepers.length === 0) setImmediate(() => this.#advance());
    await new Promise<void>((wake) => this.#sleepers.push({ atMs, wake }));
    signal?.throwIfAborted();
  }

  /** Wakes the next sleeper; what it goes on to do comes before the one after it. */
  #advance(): void {
    this.#sleepers.sort((a, b) => a.atMs - b.atMs);
    const next = this.#sleepers.shift();
    if (next === undefined) return;
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    if (this.#sleepers.length > 0) setImmediate(() => this.#advance());
    next.wake();
  }
}
