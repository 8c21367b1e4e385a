// Which ranks send their parts later than the others in most rounds: not missing, but what all wait for. Compared are
// the ranks of one round with each other, and not with rounds before, in which they may have been as slow.

import { unusualMs } from "./arrival-predictor.ts";

/** One of so many ranks may be slow at a time. */
const RANKS_PER_COPY = 10;
/** The last rounds, and how many of them a rank was late in: less may pass, and comes of a pause of the machine. */
const WATCHED_ROUNDS = 8;
const LATE_ROUNDS = 6;
/** What somebody faster could win in a round is not worth another function. */
const LEAST_LATENESS_MS = 10;

/** Ranks that may be slow at a time: where more are, that is what is usual. */
export function mostCopies(worldSize: number): number {
  return Math.max(1, Math.floor(worldSize / RANKS_PER_COPY));
}

export class StragglerWatch {
  readonly #own: number;
  /** By rank, from the beginning of the round to its last part. */
  #delaysMs = new Map<number, number>();
  /** By rank: whether it was late in each of the last rounds, the newest last. */
  #lateIn: ReadonlyMap<number, readonly boolean[]> = new Map();

  /** `own` is the rank that watches: what it sends itself is noted like what comes. */
  constructor(own: number) {
    this.#own = own;
  }

  /** A part of `rank` was there `delayMs` after the round began. */
  note(rank: number, delayMs: number): void {
    this.#delaysMs.set(rank, Math.max(delayMs, this.#delaysMs.get(rank) ?? 0));
  }

  /** Ends the round: the ranks that were late in it and in most of those before it, the latest first. */
  ended(): number[] {
    const delays = [...this.#delaysMs].sort(([, a], [, b]) => b - a);
    this.#delaysMs = new Map();
    if (delays.length < 2) return [];
    const last = delays.slice(0, mostCopies(delays.length));
    const othersMs = delays.slice(last.length).map(([, delayMs]) => delayMs);
    const lateMs = Math.max(unusualMs(othersMs), othersMs[othersMs.length >> 1]! + LEAST_LATENESS_MS);
    const late = last.flatMap(([rank, delayMs]) => (rank !== this.#own && delayMs > lateMs ? [rank] : []));
    const watched = new Set([...this.#lateIn.keys(), ...late]);
    const lately = [...watched].map((rank) => {
      const rounds = [...(this.#lateIn.get(rank) ?? []), late.includes(rank)].slice(-WATCHED_ROUNDS);
      return [rank, rounds] as const;
    });
    this.#lateIn = new Map(lately.filter(([, rounds]) => rounds.includes(true)));
    return late.filter((rank) => this.#lateIn.get(rank)!.filter(Boolean).length >= LATE_ROUNDS);
  }
}
