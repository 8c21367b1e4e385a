// From a peer that is late to another worker in its place. All who wait for a peer look after it, one after the other by
// their distance in rank, so that mostly one acts; that a generation is started once for each try, storage sees to
// (run/summons.ts). Nothing here decides anything for the run: a worker too many ends by itself.

import { setTimeout as sleep } from "node:timers/promises";
import { SltrainError } from "../errors.ts";
import type { Functions } from "../functions/functions.ts";
import { putJson } from "../run/json-object.ts";
import { runKeys } from "../run/keys.ts";
import {
  newestGeneration,
  observeRank,
  type Observation,
  type RankPlace,
  untilClaimed,
} from "../run/observe-rank.ts";
import type { Heartbeat, WorkerEvent, WorkerFailure } from "../run/records.ts";
import { deathsAt, summon, triesOf } from "../run/summons.ts";
import type { Storage } from "../storage/storage.ts";

export interface RescueOptions {
  readonly storage: Storage;
  /** What this worker was started with; others are started with the like. */
  readonly event: WorkerEvent;
  readonly worldSize: number;
  readonly leaseMs: number;
  /** After so many starts of a rank at one step there is no other. */
  readonly maxRestarts: number;
  /** What a start takes: whoever was summoned has so long, and a lease, to come. */
  readonly startMs: number;
  /** Steps that this worker has finished. */
  readonly step: () => number;
  /**
   * Whether the rank's last worker spent its life in this step: who had been summoned by then has had time to come. Where
   * lives are short, none of them is long enough to find out both.
   */
  readonly hasWaited: () => boolean;
  /** From one exchange to the next, at most. */
  readonly exchangeSteps: number;
  /** Starts all ranks anew, at the newest checkpoint; given where a single one cannot be replaced. */
  readonly startCrew?: (() => Promise<void>) | undefined;
  /** What starts functions; absent where nothing can. */
  readonly functions: Functions | undefined;
  /** Called once, when waiting has become vain. */
  readonly onVain: (reason: unknown) => void;
}

/** Of a lease: how much later the next nearest rank looks after a late one. */
const STAGGER = 0.25;
const MOST_STAGGER_LEASES = 4;
const MOST_DOUBLINGS = 5;
/** Each try waits longer for who was summoned. */
const PATIENCE_GROWTH = 1.5;

/** Whom this worker has given time to come. */
interface Awaited {
  readonly generation: number;
  /** Of anybody, to start it. */
  readonly tries: number;
  readonly waits: number;
}

const NOBODY: Awaited = { generation: -1, tries: 0, waits: 0 };

/** Whoever is to come next, as of now. */
async function summonedNext(at: RankPlace): Promise<Awaited> {
  const generation = (await newestGeneration(at)) + 1;
  return { generation, tries: await triesOf(at, generation), waits: 0 };
}

export class Rescue {
  readonly #options: RescueOptions;
  /** The step in which a rank was last said to be late. */
  readonly #lateIn = new Map<number, number>();
  readonly #attended = new Map<number, Promise<void>>();
  readonly #ended = new AbortController();

  constructor(options: RescueOptions) {
    this.#options = options;
  }

  /** `OnLate`: looks after these ranks until the step that this worker is in has ended. */
  late(ranks: readonly number[]): void {
    for (const rank of ranks) {
      this.#lateIn.set(rank, this.#options.step());
      if (this.#attended.has(rank) || this.#ended.signal.aborted) continue;
      const attended = this.#attend(rank)
        .catch((error: unknown) => this.#giveUp(error))
        .finally(() => this.#attended.delete(rank));
      this.#attended.set(rank, attended);
    }
  }

  /** Looks after nobody any more. */
  async close(): Promise<void> {
    this.#ended.abort();
    await Promise.all(this.#attended.values());
  }

  #giveUp(reason: unknown): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    this.#options.onVain(reason);
  }

  async #attend(rank: number): Promise<void> {
    const { event, worldSize, leaseMs, startMs } = this.#options;
    const { signal } = this.#ended;
    const distance = (event.rank - rank + worldSize) % worldSize;
    await sleep(leaseMs * Math.min(MOST_STAGGER_LEASES, STAGGER * (distance - 1)), undefined, { signal });
    const at = this.#placeOf(rank);
    let awaited = this.#options.hasWaited() ? await summonedNext(at) : NOBODY;
    for (;;) {
      const step = this.#options.step();
      if (this.#lateIn.get(rank) !== step) return;
      const deaths = await deathsAt(at, await newestGeneration(at), step);
      // Whoever was taken for dead although it lived gets more time the next time: where all are slow, starting more makes
      // them slower.
      const patienceMs = leaseMs * 2 ** Math.min(deaths, MOST_DOUBLINGS);
      const seen = await observeRank(at, { leaseMs: patienceMs, signal });
      if (this.#options.step() !== step) continue;
      if (seen.state === "failed") throw peerFailed(seen.failure);
      if (seen.state === "ended") {
        // Of the last step, what this worker waits for is there.
        if (seen.result.steps > step) throw leftBehind(event.rank, step, `rank ${rank} has ended`);
        return;
      }
      if (seen.state === "alive") {
        refuseToBeLeftBehind(event.rank, step, seen.heartbeat, this.#options.exchangeSteps);
        await sleep(leaseMs, undefined, { signal });
        continue;
      }
      const generation = seen.generation + 1;
      const known = awaited.generation === generation ? awaited : undefined;
      const before = await triesOf(at, generation);
      // Whom somebody else has just summoned is given the time to come.
      if (before === (known?.tries ?? 0)) await this.#summon(rank, seen, before, step).catch(refuseForGood);
      const waits = known === undefined ? 0 : known.waits + 1;
      awaited = { generation, tries: await triesOf(at, generation), waits };
      await untilClaimed(at, generation, {
        patienceMs: (leaseMs + startMs) * PATIENCE_GROWTH ** waits,
        ...{ everyMs: leaseMs * STAGGER, signal },
      });
    }
  }

  #placeOf(rank: number): RankPlace {
    const { storage, event } = this.#options;
    return { storage, keys: runKeys(event.runId), attempt: event.attempt, rank };
  }

  async #summon(
    rank: number,
    seen: Extract<Observation, { readonly state: "dead" | "handed-over" }>,
    tryNumber: number,
    step: number,
  ): Promise<void> {
    const { storage, functions, event, maxRestarts, startCrew } = this.#options;
    if (functions === undefined) return;
    // Whose workers find out by themselves that it has taken over.
    if (startCrew !== undefined && seen.state === "dead") return startCrew();
    const deaths = await deathsAt(this.#placeOf(rank), seen.generation, step);
    if (deaths >= maxRestarts) throw await this.#workerDied(rank, step, deaths);
    const generation = seen.generation + 1;
    const reason = seen.state === "handed-over" ? "handover" : generation === 0 ? "start" : "rescue";
    await summon({
      ...{ storage, functions, step, tryNumber, by: String(event.rank) },
      event: { ...event, rank, generation, reason },
    });
  }

  async #workerDied(rank: number, step: number, deaths: number): Promise<SltrainError> {
    const { storage, keys, attempt } = this.#placeOf(rank);
    const error = new SltrainError({
      code: "worker-died",
      message: `worker ${rank}: expected one of ${deaths + 1} starts to finish step ${step}, but all of them died`,
      suggestions: [
        "See what it logged last: `sltrain runs logs` shows it. A function that needs more memory dies without a word.",
        "The last checkpoint remains: `sltrain train --run-id` goes on from it.",
      ],
    });
    const { code, message, suggestions } = error;
    const failure: WorkerFailure = { rank, attempt, step, code, message, suggestions };
    await putJson(storage, keys.workerFailure(attempt, rank), failure, { ifAbsent: true });
    return peerFailed(failure);
  }
}

/** A start that was refused for a while is one that brought nobody. */
function refuseForGood(error: unknown): void {
  if (!(error instanceof SltrainError) || !error.retryable) throw error;
}

/**
 * Whoever is past the next exchange had this rank's part of it, so another worker of the rank wrote it; and what this one
 * waits for may have been swept.
 */
function refuseToBeLeftBehind(
  rank: number,
  step: number,
  peer: Heartbeat | undefined,
  exchangeSteps: number,
): void {
  if (peer !== undefined && peer.step > step + exchangeSteps)
    throw leftBehind(rank, step, `rank ${peer.rank} is in step ${peer.step}`);
}

function leftBehind(rank: number, step: number, got: string): SltrainError {
  return new SltrainError({
    code: "left-behind",
    message: `worker ${rank}: expected its peers in step ${step}, as it is, but ${got}: another worker of its rank went on`,
    retryable: true,
  });
}

/** The run is over; whoever failed first has left why. */
function peerFailed({ rank, step, code, message, suggestions }: WorkerFailure): SltrainError {
  return new SltrainError({
    code: "peer-failed",
    message: `worker ${rank} cannot go on from step ${step}: ${message} (${code})`,
    suggestions,
  });
}
