// What the line below a run's rows counts from its events: workers, and samples by time.

import type { TrainEvent } from "../coordinator/events.ts";
import { counted, formatCount } from "../units.ts";

type Progress = Extract<TrainEvent, { event: "progress" }>;

/** A rate over less says more about the pace of heartbeats than about the run. */
const RATE_MS = 1000;

interface CrewSize {
  readonly workers: number;
}

/** How many workers there are, and how often they had to be replaced. */
export class CrewCount {
  #alive = 0;
  #generation = 0;
  #restarts = 0;

  count(event: TrainEvent): void {
    if (event.event === "run.restarted" || event.event === "run.resized") this.#alive = 0;
    if (event.event === "worker.started") this.#alive++;
    if (event.event === "worker.ended") this.#alive--;
    if (event.event === "worker.restarted") this.#restarts++;
    if (event.event === "worker.restarted" || event.event === "worker.handed-over") {
      this.#generation = Math.max(this.#generation, event.generation);
    }
  }

  text({ workers }: CrewSize): string {
    return [
      `${formatCount(this.#alive)} of ${counted(workers, "worker")}`,
      ...(this.#generation > 0 ? [`generation ${this.#generation + 1}`] : []),
      ...(this.#restarts > 0 ? [counted(this.#restarts, "restart")] : []),
    ].join(", ");
  }
}

/** Samples by time within an epoch. */
export class Rate {
  #from: (Pick<Progress, "epoch" | "samples"> & { readonly atMs: number }) | undefined;

  of({ epoch, samples }: Progress): number | undefined {
    const atMs = performance.now();
    if (this.#from?.epoch !== epoch) this.#from = { epoch, samples, atMs };
    const ms = atMs - this.#from.atMs;
    return ms < RATE_MS ? undefined : ((samples - this.#from.samples) / ms) * 1000;
  }
}
