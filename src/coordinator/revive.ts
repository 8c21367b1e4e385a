// What a coordinator does for a run that makes no progress: it watches who is silent, and summons the next generation of
// them, as peers do (worker/rescue.ts). It is the only one where all workers are dead.

import type { Functions } from "../functions/functions.ts";
import { getJson } from "../run/json-object.ts";
import { runKeys } from "../run/keys.ts";
import type { Heartbeat } from "../run/records.ts";
import { deathsAt, summon, triesOf } from "../run/summons.ts";
import type { Storage } from "../storage/storage.ts";
import { type Crew, workerEvent } from "../run/crew.ts";
import { WorkerFailed } from "./watch.ts";

/** From an invocation to its first sign of life, at most; twice as long after each try. */
const START_MS = 5_000;

export interface RevivalOptions {
  readonly storage: Storage;
  readonly crew: Crew;
  readonly functions: Functions;
  /** Without a new heartbeat for so long, a worker is dead. */
  readonly silenceMs: number;
  /** Whether who is silent is started again; else only told of. */
  readonly summons: boolean;
  /** Whether a handed-over worker's successor is the coordinator's to start. */
  readonly startsSuccessors: boolean;
}

interface OpenRank {
  readonly rank: number;
  /** -1: none has acted yet. */
  readonly generation: number;
}

interface Sign {
  readonly text: string;
  readonly sinceMs: number;
}

interface Asked {
  readonly generation: number;
  /** By this coordinator. */
  readonly tries: number;
  /** By anybody, as of then. */
  readonly triesOfAll: number;
  readonly atMs: number;
}

export class Revival {
  readonly #options: RevivalOptions;
  readonly #signs = new Map<number, Sign>();
  readonly #asked = new Map<number, Asked>();

  constructor(options: RevivalOptions) {
    this.#options = options;
  }

  /** The run came further: what was seen before says nothing of who is silent from now on. */
  progressed(): void {
    this.#signs.clear();
  }

  /**
   * Looks once at all `open` ranks; to be repeated while the run stands at `step`. Returns those that are silent. Throws
   * WorkerFailed "worker-died" for a rank that dies at the same step again and again, and what `Functions.invoke` throws.
   */
  async look(open: readonly OpenRank[], step: number): Promise<number[]> {
    const silent: number[] = [];
    for (const { rank, generation } of open) {
      const heartbeat = await this.#heartbeat(rank, generation);
      const handedOver = heartbeat?.state === "handed-over";
      const due = handedOver && this.#options.startsSuccessors;
      if (!due && !this.#isSilent(rank, generation, heartbeat)) continue;
      silent.push(rank);
      if (this.#options.summons) await this.#summonNext(rank, generation, handedOver, step);
    }
    return silent;
  }

  async #heartbeat(rank: number, generation: number): Promise<Heartbeat | undefined> {
    if (generation < 0) return undefined;
    const { storage, crew } = this.#options;
    const key = runKeys(crew.manifest.runId).heartbeat(crew.attempt, rank, generation);
    return getJson<Heartbeat>(storage, key);
  }

  #isSilent(rank: number, generation: number, heartbeat: Heartbeat | undefined): boolean {
    const nowMs = performance.now();
    const text = `${generation} ${heartbeat?.beat} ${heartbeat?.state}`;
    const sign = this.#signs.get(rank);
    const { silenceMs } = this.#options;
    const patienceMs = generation < 0 ? Math.max(START_MS, silenceMs) : silenceMs;
    if (sign?.text === text) return nowMs - sign.sinceMs >= patienceMs;
    this.#signs.set(rank, { text, sinceMs: nowMs });
    return false;
  }

  async #summonNext(rank: number, generation: number, handedOver: boolean, step: number): Promise<void> {
    const { storage, crew, functions } = this.#options;
    const next = generation + 1;
    const asked = this.#asked.get(rank);
    const isRepeated = asked?.generation === next;
    // One of generation 0 was the start's.
    const tries = isRepeated ? asked.tries : next === 0 ? 1 : 0;
    const nowMs = performance.now();
    if (isRepeated && nowMs - asked.atMs < START_MS * 2 ** (tries - 1)) return;
    const { maxRestarts } = crew.manifest.config;
    if (tries > maxRestarts) throw this.#died(rank, step, `was started ${tries} times and never began`);
    const place = { storage, keys: runKeys(crew.manifest.runId), attempt: crew.attempt, rank };
    const deaths = await deathsAt(place, generation, step);
    if (deaths >= maxRestarts && generation >= 0)
      throw this.#died(rank, step, `died ${deaths + 1} times without a step between`);
    const there = await triesOf(place, next);
    // Whom somebody else has summoned is given the time to come.
    const tryNumber = isRepeated ? asked.triesOfAll : next === 0 ? there : 0;
    const triesOfAll = Math.max(there, tryNumber + 1);
    this.#asked.set(rank, { generation: next, tries: tries + 1, triesOfAll, atMs: nowMs });
    const reason = next === 0 ? "start" : handedOver ? "handover" : "rescue";
    const event = workerEvent(crew, { rank, generation: next, reason });
    await summon({ storage, functions, event, by: "coordinator", step, tryNumber });
  }

  #died(rank: number, step: number, what: string): WorkerFailed {
    const { attempt } = this.#options.crew;
    const message = `worker ${rank} at step ${step} ${what}`;
    return new WorkerFailed({ rank, attempt, step, code: "worker-died", message, suggestions: [] });
  }
}
