// Where a worker's time goes: what the collective does not spend on exchanging or waiting is compute.

import type { Collective } from "../allreduce/collective.ts";
import type { WorkTotals } from "../run/records.ts";

export class WorkMeter {
  readonly #collective: Collective;
  readonly #startMs = performance.now();
  #lapStart: WorkTotals & { readonly wallMs: number };

  constructor(collective: Collective) {
    this.#collective = collective;
    this.#lapStart = this.#read();
  }

  get elapsedMs(): number {
    return performance.now() - this.#startMs;
  }

  get totals(): WorkTotals {
    return this.#read();
  }

  /** What was spent since the last lap. */
  lap(): WorkTotals & { readonly wallMs: number } {
    const now = this.#read();
    const before = this.#lapStart;
    this.#lapStart = now;
    return {
      wallMs: now.wallMs - before.wallMs,
      computeMs: now.computeMs - before.computeMs,
      exchangeMs: now.exchangeMs - before.exchangeMs,
      waitMs: now.waitMs - before.waitMs,
      bytesUp: now.bytesUp - before.bytesUp,
      bytesDown: now.bytesDown - before.bytesDown,
      requests: now.requests - before.requests,
    };
  }

  #read(): WorkTotals & { readonly wallMs: number } {
    const { exchangeMs, waitMs, bytesUp, bytesDown, requests } = this.#collective.stats;
    const wallMs = this.elapsedMs;
    return {
      wallMs,
      computeMs: wallMs - exchangeMs - waitMs,
      exchangeMs,
      waitMs,
      bytesUp,
      bytesDown,
      requests,
    };
  }
}
