// How many workers a run of `--workers MIN..MAX` should have, by what a coordinator sees of it: with fewer where starts
// are throttled for long, with all again when functions can be had. It decides; next-crew.ts and membership.ts carry out.

export interface CrewSizeOptions {
  readonly min: number;
  readonly max: number;
  readonly leaseMs: number;
  /** Milliseconds of a clock that never goes back. Default: this process's. */
  readonly nowMs?: () => number;
}

/** A start takes less, unless it is throttled: so long after it was missed and summoned, nobody waits for a rank. */
const PATIENCE_LEASES = 4;
/** A crew that cannot grow after all stands still for its patience: so many times that, and twice that again, lie between. */
const PAUSE_PATIENCES = 4;
const MOST_DOUBLINGS = 6;

export class CrewSize {
  readonly #options: Required<CrewSizeOptions>;
  readonly #silentSinceMs = new Map<number, number>();
  #shrunkAtMs: number;
  /** Times in a row that a crew did not stay as large as it was made. */
  #shrinkings = 0;

  constructor(options: CrewSizeOptions) {
    this.#options = { nowMs: () => performance.now(), ...options };
    this.#shrunkAtMs = this.#options.nowMs();
  }

  /** To be called when the run has come further: who is needed is there. */
  progressed(workers: number): void {
    this.#silentSinceMs.clear();
    if (workers === this.#options.max) this.#shrinkings = 0;
  }

  /**
   * While the run stands still for ranks that give no sign of life, although they are summoned: how many workers should
   * go on without them; undefined to wait, also where they would be fewer than the least.
   */
  without(silent: readonly number[], workers: number): number | undefined {
    const { min, leaseMs, nowMs } = this.#options;
    const now = nowMs();
    for (const rank of this.#silentSinceMs.keys())
      if (!silent.includes(rank)) this.#silentSinceMs.delete(rank);
    for (const rank of silent) if (!this.#silentSinceMs.has(rank)) this.#silentSinceMs.set(rank, now);
    const isGone = (rank: number) => now - this.#silentSinceMs.get(rank)! >= PATIENCE_LEASES * leaseMs;
    // Who has just begun to be missed may be as hard to replace: they are judged together.
    if (silent.length === 0 || !silent.every(isGone)) return undefined;
    const left = workers - silent.length;
    return left < min ? undefined : left;
  }

  /** To be called for a crew that was made smaller. */
  shrunk(): void {
    this.#silentSinceMs.clear();
    this.#shrinkings++;
    this.#shrunkAtMs = this.#options.nowMs();
  }

  /** Whether a crew of so many should grow to the most. */
  mayGrow(workers: number): boolean {
    const { max, leaseMs, nowMs } = this.#options;
    const doublings = Math.min(MOST_DOUBLINGS, Math.max(0, this.#shrinkings - 1));
    const pauseMs = PAUSE_PATIENCES * PATIENCE_LEASES * leaseMs * 2 ** doublings;
    return workers < max && nowMs() - this.#shrunkAtMs >= pauseMs;
  }
}
