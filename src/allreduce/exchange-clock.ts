// Divides the time that a training loop spends in a collective into exchange and waiting. Work overlaps, so exchange
// is the union of the intervals in which something was going on, not their sum.

export class ExchangeClock {
  exchangeMs = 0;
  waitMs = 0;
  #active = 0;
  #activeSinceMs = 0;
  /** When `finish` was entered; Infinity outside it, where asynchronous work overlaps with the caller's own. */
  #finishBeganMs = Infinity;
  #finishing = 0;
  /** `exchangeMs` when `finish` was entered. */
  #exchangedMs = 0;

  /** Counts all of a synchronous call. */
  blocking<T>(work: () => T): T {
    const beganMs = performance.now();
    try {
      return work();
    } finally {
      this.exchangeMs += performance.now() - beganMs;
    }
  }

  /** Counts what of `work` falls into `finish`. */
  async working<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.#active++ === 0) this.#activeSinceMs = performance.now();
    try {
      return await work();
    } finally {
      if (--this.#active === 0) {
        this.exchangeMs += Math.max(
          0,
          performance.now() - Math.max(this.#activeSinceMs, this.#finishBeganMs),
        );
      }
    }
  }

  /** Runs `finish`; what of it was not work was waiting. Of several at a time the union counts. */
  async finishing<T>(finish: () => Promise<T>): Promise<T> {
    if (this.#finishing++ === 0) {
      this.#finishBeganMs = performance.now();
      this.#exchangedMs = this.exchangeMs;
    }
    try {
      return await finish();
    } finally {
      if (--this.#finishing === 0) {
        const elapsedMs = performance.now() - this.#finishBeganMs;
        this.waitMs += Math.max(0, elapsedMs - (this.exchangeMs - this.#exchangedMs));
        this.#finishBeganMs = Infinity;
      }
    }
  }
}
