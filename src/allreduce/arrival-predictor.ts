// Predicts when peers' objects come from when they came in the last rounds, so that where each request has a price
// nobody asks for what cannot be there yet. To ask early costs a request or two, to ask late holds up the round: it
// predicts a low quantile.

const ROUNDS = 16;
const QUANTILE = 0.25;
/**
 * An object that the first request found may have come at any time before. To take it for that much earlier lets the
 * prediction fall within some rounds when the peers become faster, where it would otherwise confirm itself.
 */
const UNSEEN_SHARE = 0.5;

/** Kinds are small whole numbers, such as the levels of a reduce; delays count from the beginning of a round. */
export class ArrivalPredictor {
  readonly #delaysMs: number[][] = [];

  /** The first object of a kind came `delayMs` after the round began, or was there when it was first asked for. */
  note(kind: number, delayMs: number, atOnce: boolean): void {
    const delays = (this.#delaysMs[kind] ??= []);
    delays.push(atOnce ? delayMs * UNSEEN_SHARE : delayMs);
    if (delays.length > ROUNDS) delays.shift();
  }

  /** Milliseconds from the beginning of a round; 0 as long as nothing is known. */
  expectedMs(kind: number): number {
    const delays = [...(this.#delaysMs[kind] ?? [])].sort((a, b) => a - b);
    return delays[Math.floor(QUANTILE * (delays.length - 1))] ?? 0;
  }
}
