// From a rank that keeps the others waiting to a copy of it. The copy takes up the newest state and follows by the means,
// beside the slow one; when it has come as far it claims the next generation, and the slow one is fenced. Until then either
// may go first: both write the same. Rank 0 alone decides, for it sees all parts, so that the copies at a time are bounded;
// its own place, whose files are the run's, is never copied.

import { setTimeout as sleep } from "node:timers/promises";
import { mostCopies } from "../allreduce/straggler-watch.ts";
import type { Functions } from "../functions/functions.ts";
import { getJson } from "../run/json-object.ts";
import { runKeys } from "../run/keys.ts";
import { newestGeneration, type RankPlace, untilClaimed } from "../run/observe-rank.ts";
import type { Lease, Summons, WorkerEvent } from "../run/records.ts";
import { summon, triesOf } from "../run/summons.ts";
import type { Storage } from "../storage/storage.ts";

export interface SpeculationOptions {
  readonly storage: Storage;
  readonly functions: Functions;
  /** Rank 0's; copies are started with the like. */
  readonly event: WorkerEvent;
  readonly worldSize: number;
  readonly leaseMs: number;
  /** What a start takes. */
  readonly startMs: number;
  /** Steps that this worker has finished. */
  readonly step: () => number;
}

/** A copy may be lost, or find that the run has gone past what it could follow by. */
const MOST_TRIES = 2;
/** Of a lease and a start: to come, and to follow from the newest checkpoint. */
const PATIENCE = 10;
/** Between two looks whether a copy has claimed, of a lease. */
const LOOK = 0.25;

export class Speculation {
  readonly #options: SpeculationOptions;
  /** By the rank that is looked at, or has a copy under way. */
  readonly #attended = new Map<number, Promise<void>>();
  readonly #ended = new AbortController();

  constructor(options: SpeculationOptions) {
    this.#options = options;
  }

  /** These ranks have been late for rounds on end, the latest first. */
  slow(ranks: readonly number[]): void {
    const { worldSize, leaseMs } = this.#options;
    const { signal } = this.#ended;
    for (const rank of ranks) {
      if (rank === 0 || signal.aborted || this.#attended.has(rank)) continue;
      if (this.#attended.size >= mostCopies(worldSize)) return;
      const attended = this.#attend(rank)
        // Whoever needs none now may a lease later; it is asked for in every round.
        .then(() => sleep(leaseMs, undefined, { signal }))
        .catch((error: unknown) => {
          // Without a copy the run is as slow as before, and nothing worse.
          if (!signal.aborted) console.error(`could not start a copy of worker ${rank}: ${String(error)}`);
        })
        .finally(() => this.#attended.delete(rank));
      this.#attended.set(rank, attended);
    }
  }

  /** Asks for no copy any more. */
  async close(): Promise<void> {
    this.#ended.abort();
    await Promise.all(this.#attended.values());
  }

  async #attend(rank: number): Promise<void> {
    const { storage, functions, event, leaseMs, startMs, step } = this.#options;
    const { runId, attempt } = event;
    const at: RankPlace = { storage, keys: runKeys(runId), attempt, rank };
    const newest = await newestGeneration(at);
    const lease = await getJson<Lease>(storage, at.keys.lease(attempt, rank, newest));
    // A copy that is as slow: its place is not to blame, so that another would be no faster.
    if (lease === undefined || lease.reason === "speculation") return;
    const generation = newest + 1;
    const tryNumber = await triesOf(at, generation);
    const first = await getJson<Summons>(storage, at.keys.summons(attempt, rank, generation, 0));
    // Its successor is on its way.
    if (tryNumber >= MOST_TRIES || (tryNumber > 0 && first?.reason !== "speculation")) return;
    await summon({
      ...{ storage, functions, step: step(), tryNumber, by: String(event.rank) },
      event: { ...event, rank, generation, reason: "speculation" },
    });
    const patienceMs = PATIENCE * (leaseMs + startMs);
    await untilClaimed(at, generation, { patienceMs, everyMs: LOOK * leaseMs, signal: this.#ended.signal });
  }
}
