// When a worker lets the next generation of its rank go on: its successor is started while there is still time to train,
// and waits with everything ready until the state lies there. A worker that waits inside a step when its time is up ends
// in good order as well: its successor goes on from what there is.

import type { Functions } from "../functions/functions.ts";
import type { WorkerEvent } from "../run/records.ts";
import { summon } from "../run/summons.ts";
import type { Storage } from "../storage/storage.ts";
import { Lifetime, type LifetimeOptions, type Pace } from "./lifetime.ts";

export interface RelayOptions extends LifetimeOptions {
  readonly storage: Storage;
  readonly functions: Functions;
  /** This worker's, with the generation that it acts as. */
  readonly event: WorkerEvent;
  /** Steps that are finished. */
  readonly step: () => number;
  /** Whether the successor is this worker's to start (Naik 2021); else whoever sees the state that it left does. */
  readonly summons: boolean;
  readonly stepsPerEpoch: number;
  /** Steps from one exchange to the next, at most. */
  readonly exchangeSteps: number;
  /** The remaining time by this process's clock, which may be asked at any time. */
  readonly lifeLeftMs: () => number;
}

/** Ends a wait for peers that would outlast this worker. */
export class Exhausted extends Error {
  override readonly name = "Exhausted";
}

/** Between two looks at the time that is left. */
const WATCH_MS = 50;
/** Steps that are longer than those before wait for somebody. */
const WAITING_MS = 500;

export class Relay {
  readonly #options: RelayOptions;
  readonly #lifetime: Lifetime;
  #watch: NodeJS.Timeout | undefined;
  #summoned: Promise<unknown> | undefined;
  #boundaryMs = performance.now();
  /** Of the last exchange; undefined before. */
  #exchangedMs: number | undefined;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#lifetime = new Lifetime(options);
  }

  get pace(): Pace {
    return this.#lifetime.pace;
  }

  /** To be called after each exchange. */
  exchanged(): void {
    this.#exchangedMs = performance.now();
    this.#lifetime.tookStep(this.#exchangedMs - this.#boundaryMs);
  }

  /** Whether the state is to be handed over, `stepsLeft` before the run's end; to be asked wherever it could be. */
  isDue(stepsLeft: number): boolean {
    const { stepsPerEpoch, exchangeSteps } = this.#options;
    this.#boundaryMs = performance.now();
    const leftOfEpoch = stepsLeft % stepsPerEpoch;
    if (leftOfEpoch === 0 && this.#exchangedMs !== undefined)
      this.#lifetime.tookEpochEnd(this.#boundaryMs - this.#exchangedMs);
    const exchanges = Math.ceil(stepsLeft / exchangeSteps);
    if (this.#lifetime.needsSuccessor(exchanges, Math.ceil(stepsLeft / stepsPerEpoch))) {
      this.#summoned ??= this.#summonSuccessor();
    }
    // A whole epoch, if none of it is done.
    const endsEpoch = (leftOfEpoch || stepsPerEpoch) <= exchangeSteps;
    return this.#summoned !== undefined && this.#lifetime.isOver(endsEpoch);
  }

  /** Looks after a worker that waits inside a step, until `close`: aborts `life` with `Exhausted` in its last moment. */
  watch(life: AbortController): void {
    const { lifeLeftMs } = this.#options;
    this.#watch = setInterval(() => {
      const waits = performance.now() - this.#boundaryMs > WAITING_MS;
      if (waits && this.#lifetime.isShort(lifeLeftMs())) this.#summoned ??= this.#summonSuccessor();
      if (lifeLeftMs() < this.#lifetime.lastMs)
        life.abort(new Exhausted("no time is left for the step that is under way"));
    }, WATCH_MS).unref();
  }

  /** From inside a step. */
  async leave(): Promise<void> {
    this.#summoned ??= this.#summonSuccessor();
    await this.close();
  }

  /** Until the successor's start is accepted, or given up: what is frozen after its answer sends nothing. */
  async close(): Promise<void> {
    clearInterval(this.#watch);
    await this.#summoned;
  }

  async #summonSuccessor(): Promise<void> {
    const { storage, functions, event, step, summons } = this.#options;
    if (!summons) return;
    const successor: WorkerEvent = { ...event, generation: event.generation + 1, reason: "handover" };
    try {
      await summon({ storage, functions, event: successor, by: String(event.rank), step: step() });
    } catch (error) {
      // Whoever sees that the state was handed over and nobody takes it tries again.
      console.error(`could not start the successor: ${String(error)}`);
    }
  }
}
