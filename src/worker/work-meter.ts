// Where a worker's time goes: what is not spent on exchanging or waiting is compute. What earlier starts of the rank have
// spent is counted as its own.

import type { SpentTotals } from "./cursor.ts";
import type { Peers } from "./peers.ts";

export class WorkMeter {
  readonly #peers: Pick<Peers, "stats">;
  readonly #startMs = performance.now();
  readonly #before: SpentTotals;
  #lapStart: SpentTotals;

  /** `before`: until this start, and until the last lap before it. */
  constructor(
    peers: Pick<Peers, "stats">,
    before: { readonly spent: SpentTotals; readonly epochSpent: SpentTotals },
  ) {
    this.#peers = peers;
    this.#before = before.spent;
    this.#lapStart = before.epochSpent;
  }

  get totals(): SpentTotals {
    const { stats } = this.#peers;
    const wallMs = performance.now() - this.#startMs;
    const own = { wallMs, computeMs: wallMs - stats.exchangeMs - stats.waitMs, ...stats };
    return combined(own, this.#before, (mine, before) => mine + before);
  }

  /** When the last lap ended. */
  get lapStart(): SpentTotals {
    return this.#lapStart;
  }

  /** What was spent since the last lap. */
  lap(): SpentTotals {
    const now = this.totals;
    const before = this.#lapStart;
    this.#lapStart = now;
    return combined(now, before, (a, b) => a - b);
  }
}

function combined(a: SpentTotals, b: SpentTotals, combine: (a: number, b: number) => number): SpentTotals {
  const names = Object.keys(b) as (keyof SpentTotals)[];
  return Object.fromEntries(names.map((name) => [name, combine(a[name], b[name])])) as unknown as SpentTotals;
}
