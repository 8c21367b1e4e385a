// When a worker lets the next generation of its rank go on: at the end of a step while there is time for it, or from inside
// a step that it still waits in when its time is up.

import { Lifetime, type LifetimeOptions, type Pace } from "./lifetime.ts";

export interface RelayOptions extends LifetimeOptions {
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

export class Relay {
  readonly #options: RelayOptions;
  readonly #lifetime: Lifetime;
  #watch: NodeJS.Timeout | undefined;
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
    // A whole epoch, if none of it is done.
    const endsEpoch = (leftOfEpoch || stepsPerEpoch) <= exchangeSteps;
    return this.#lifetime.isOver(endsEpoch);
  }

  /** Looks after a worker that waits inside a step, until `close`: aborts `life` with `Exhausted` in its last moment. */
  watch(life: AbortController): void {
    const { lifeLeftMs } = this.#options;
    this.#watch = setInterval(() => {
      if (lifeLeftMs() < this.#lifetime.lastMs)
        life.abort(new Exhausted("no time is left for the step that is under way"));
    }, WATCH_MS).unref();
  }

  close(): void {
    clearInterval(this.#watch);
  }
}
