// How much of a function's life is left, and whether a worker should hand over at a step's end while there is time for
// it. By what this worker has measured; all in milliseconds.

/** Steps that are remembered. */
const REMEMBERED = 16;
/** Longer than so many usual steps: it waited for a peer that had died. */
const UNUSUAL = 4;
/** A step may take longer than any before, and so may a write. */
const CAUTION = 2;
/** Kept free for a small state and the last beat, at least; else so many times what a state has taken. */
const LAST_MS = 500;
const LAST_WRITES = 3;
/** What nobody measures: timers, a pause of the garbage collector, the answer to whoever started the function. */
const SLACK_MS = 100;
/** Of a store that nothing was read from or written to: slow, for a small function. */
const BYTES_PER_MS = 20_000;

/** How long things take. */
export interface Pace {
  /** From where the state could be handed over to the end of the next exchange; 0: not known yet. */
  readonly stepMs: number;
  /** From an epoch's last exchange to where the state could be handed over; null: not known yet. */
  readonly epochEndMs: number | null;
}

export const UNKNOWN_PACE: Pace = { stepMs: 0, epochEndMs: null };

export interface LifetimeOptions {
  readonly remainingMs: () => number;
  readonly stateBytes: number;
  /** The longest that the state has taken so far. */
  readonly stateMs: () => number;
  /** What validation takes at most. */
  readonly validationMs: () => number;
  /** Of the rank's last worker. */
  readonly before: Pace;
  /** A step that does not fit loses nothing but itself: it needs no time kept free. */
  readonly mayInterrupt: boolean;
}

export class Lifetime {
  readonly #options: LifetimeOptions;
  readonly #stepsMs: number[] = [];
  #isFirst = true;
  #epochEndMs: number | null;

  constructor(options: LifetimeOptions) {
    this.#options = options;
    this.#epochEndMs = options.before.epochEndMs;
  }

  get pace(): Pace {
    return { stepMs: this.#stepMs, epochEndMs: this.#epochEndMs };
  }

  /** The first one is not counted: it waits for peers that start. */
  tookStep(ms: number): void {
    if (this.#isFirst) {
      this.#isFirst = false;
      return;
    }
    this.#stepsMs.push(ms);
    if (this.#stepsMs.length > REMEMBERED) this.#stepsMs.shift();
  }

  tookEpochEnd(ms: number): void {
    this.#epochEndMs = Math.max(this.#epochEndMs ?? 0, ms);
  }

  /** What must be left when a wait inside a step is given up. */
  get lastMs(): number {
    return Math.max(LAST_MS, LAST_WRITES * this.#options.stateMs());
  }

  /** Whether the state should be handed over before the next exchange, which may end an epoch. */
  isOver(endsEpoch: boolean): boolean {
    return this.#options.remainingMs() < this.#marginMs(endsEpoch);
  }

  #marginMs(endsEpoch: boolean): number {
    const { stateBytes, stateMs, mayInterrupt } = this.#options;
    const writeMs = stateMs() || stateBytes / BYTES_PER_MS;
    const stepMs = mayInterrupt ? 0 : this.#stepMs + (endsEpoch ? this.#endMs : 0);
    return Math.max(this.lastMs, CAUTION * (stepMs + writeMs) + SLACK_MS);
  }

  get #endMs(): number {
    return this.#epochEndMs ?? this.#options.validationMs() + this.#stepMs;
  }

  /** The longest of the usual ones. */
  get #stepMs(): number {
    if (this.#stepsMs.length === 0) return this.#options.before.stepMs;
    const sorted = this.#stepsMs.toSorted((a, b) => a - b);
    const usual = sorted[Math.floor(sorted.length / 2)]!;
    return Math.max(...sorted.filter((ms) => ms <= UNUSUAL * usual));
  }
}
