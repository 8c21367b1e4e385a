// Where the time goes from the start of an invocation, or of its process if that is new, to the first finished step.

import type { Invocation } from "./invocation.ts";

/**
 * In order. `load`: Node's own start, and the bundle until the handler is called; nothing of it in a warm process. Data is loaded while the program is
 * compiled; `data` is what is left to wait for after that,
 * `claim` for the rank's post.
 */
export const STARTUP_STAGES = [
  "load",
  "manifest",
  "device",
  "compile",
  "data",
  "claim",
  "firstStep",
] as const;

export type StartupStage = (typeof STARTUP_STAGES)[number];

/** Milliseconds that each stage took. They add up to the time to the first step. */
export type StartupMs = Partial<Record<StartupStage, number>>;

export class StartupClock {
  readonly stagesMs: StartupMs = {};
  readonly #invocation: Pick<Invocation, "elapsedMs">;
  #endedMs = 0;

  constructor(invocation: Pick<Invocation, "elapsedMs">) {
    this.#invocation = invocation;
  }

  /** Ends a stage; only the first end of each counts. */
  end(stage: StartupStage): void {
    if (this.stagesMs[stage] !== undefined) return;
    const now = this.#invocation.elapsedMs;
    this.stagesMs[stage] = now - this.#endedMs;
    this.#endedMs = now;
  }
}
