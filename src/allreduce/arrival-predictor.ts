// Predicts when peers' objects come from when they came in the last rounds: the first of them, so that where each request
// has a price nobody asks for what cannot be there yet, and when the last of them is so late that something is wrong with
// its writer. To ask early costs a request or two, to ask late holds up the round: of the first it predicts a low quantile.

const ROUNDS = 16;
const QUANTILE = 0.25;
/**
 * An object that the first request found may have come at any time before. To take it for that much earlier lets the
 * prediction fall within some rounds when the peers become faster, where it would otherwise confirm itself.
 */
const UNSEEN_SHARE = 0.5;
/** Late is what comes after the median by so many deviations (of a normal distribution: one of 30,000). */
const LATE_DEVIATIONS = 4;
/** The standard deviation of a normal distribution, by its median absolute deviation. */
const NORMAL_MAD = 1.4826;
/** However regular the last rounds were, the next may differ by so much of the median. */
const LEAST_DEVIATION = 0.1;
/** What is known from fewer rounds says little. */
const LATE_ROUNDS = 4;

/** Kinds are small whole numbers, such as the levels of a reduce; delays count from the beginning of a round. */
export class ArrivalPredictor {
  readonly #firstMs: number[][] = [];
  readonly #lastMs: number[][] = [];

  /** The first object of a kind came `delayMs` after the round began, or was there when it was first asked for. */
  note(kind: number, delayMs: number, atOnce: boolean): void {
    keep((this.#firstMs[kind] ??= []), atOnce ? delayMs * UNSEEN_SHARE : delayMs);
  }

  /** All objects of a kind had come `delayMs` after the round began. */
  noteLast(kind: number, delayMs: number): void {
    keep((this.#lastMs[kind] ??= []), delayMs);
  }

  /** Milliseconds from the beginning of a round; 0 as long as nothing is known. */
  expectedMs(kind: number): number {
    return quantile(this.#firstMs[kind] ?? [], QUANTILE) ?? 0;
  }

  /** Milliseconds from the beginning of a round after which an object of a kind is late; undefined while too little is known. */
  lateMs(kind: number): number | undefined {
    const delays = this.#lastMs[kind] ?? [];
    return delays.length < LATE_ROUNDS ? undefined : unusualMs(delays);
  }
}

/** What is longer than these delays usually are, of which there is one at least: median and deviations. */
export function unusualMs(delaysMs: readonly number[]): number {
  const median = quantile(delaysMs, 0.5)!;
  const spread = quantile(
    delaysMs.map((delay) => Math.abs(delay - median)),
    0.5,
  )!;
  return median + LATE_DEVIATIONS * Math.max(NORMAL_MAD * spread, LEAST_DEVIATION * median);
}

function keep(delays: number[], delayMs: number): void {
  delays.push(delayMs);
  if (delays.length > ROUNDS) delays.shift();
}

function quantile(values: readonly number[], share: number): number | undefined {
  return [...values].sort((a, b) => a - b)[Math.floor(share * (values.length - 1))];
}
