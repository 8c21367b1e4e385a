// Where a worker's time goes: what is not spent on exchanging or waiting is compute.

import type { WorkTotals } from "../run/records.ts";
import type { Peers } from "./peers.ts";

export class WorkMeter {
  readonly #peers: Pick<Peers, "stats">;
  readonly #startMs = performance.now();
  #lapStart: WorkTotals & { readonly wallMs: number };

  constructor(peers: Pick<Peers, "stats">) {
    this.#peers = peers;
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
    const names = Object.keys(now) as (keyof typeof now)[];
    return Object.fromEntries(names.map((name) => [name, now[name] - before[name]])) as unknown as typeof now;
  }

  #read(): WorkTotals & { readonly wallMs: number } {
    const { stats } = this.#peers;
    const wallMs = this.elapsedMs;
    return { wallMs, computeMs: wallMs - stats.exchangeMs - stats.waitMs, ...stats };
  }
}
