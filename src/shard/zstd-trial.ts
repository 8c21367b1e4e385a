// Whether compressing pays, found out by doing both: it depends on the gradient, the channel, the processor and what
// else that does, and all of it is in what a round costs. zstd loses nothing, so a trial changes bytes but no result.

export type ZstdMode = "auto" | "on" | "off";

/** Rounds of one kind in a row. The first is not counted: packed objects have the sizes of the round before. */
const RUN_ROUNDS = 5;
/** With, without, with, without: what changes slowly counts for both. */
export const TRIAL_ROUNDS = 4 * RUN_ROUNDS;
/** The first trial is one of code that V8 has not compiled yet, so what it tells is not believed for long. */
const FIRST_PERIOD_ROUNDS = 60;
/** Gradients change as a model learns, and so does the channel: each period is twice the last one, but no longer. */
const LONGEST_PERIOD_ROUNDS = 480;
/** What compressing must save; below it the measurement decides by chance, and doing nothing is simpler. */
const LEAST_GAIN = 0.03;

export interface ZstdVerdict {
  readonly compresses: boolean;
  /** Median costs of a round in the last trial, in the caller's unit; absent before the first has ended. */
  readonly costs?: { readonly compressed: number; readonly plain: number };
}

export class ZstdTrial {
  readonly #mode: ZstdMode;
  /** Since the trial began. */
  #round = 0;
  #periodRounds = FIRST_PERIOD_ROUNDS;
  #verdict: ZstdVerdict;
  #compressed: number[] = [];
  #plain: number[] = [];

  constructor(mode: ZstdMode) {
    this.#mode = mode;
    this.#verdict = { compresses: mode !== "off" };
  }

  /** Whether the round that begins now compresses what it sends. */
  get compresses(): boolean {
    if (this.#mode !== "auto" || this.#round >= TRIAL_ROUNDS) return this.#verdict.compresses;
    return Math.floor(this.#round / RUN_ROUNDS) % 2 === 0;
  }

  get verdict(): ZstdVerdict {
    return this.#verdict;
  }

  /** Ends a round: what it cost, in milliseconds or dollars, as long as it is always the same. */
  ended(cost: number): void {
    const round = this.#round++;
    if (this.#round === this.#periodRounds) {
      this.#round = 0;
      this.#periodRounds = Math.min(2 * this.#periodRounds, LONGEST_PERIOD_ROUNDS);
    }
    if (this.#mode !== "auto" || round >= TRIAL_ROUNDS) return;
    const run = Math.floor(round / RUN_ROUNDS);
    if (round % RUN_ROUNDS > 0) (run % 2 === 0 ? this.#compressed : this.#plain).push(cost);
    if (round === TRIAL_ROUNDS - 1) this.#decide();
  }

  #decide(): void {
    const costs = { compressed: median(this.#compressed), plain: median(this.#plain) };
    this.#verdict = { compresses: costs.compressed < (1 - LEAST_GAIN) * costs.plain, costs };
    this.#compressed = [];
    this.#plain = [];
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
