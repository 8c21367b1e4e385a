// Where the time from process start to the first finished step goes.

/**
 * In order. `load`: Node's own start, and the bundle until the handler is called. Data is loaded while the program is
 * compiled; `data` is what is left to wait for after that.
 */
export const STARTUP_STAGES = ["load", "manifest", "device", "compile", "data", "firstStep"] as const;

export type StartupStage = (typeof STARTUP_STAGES)[number];

/** Milliseconds that each stage took. They add up to the time to the first step. */
export type StartupMs = Partial<Record<StartupStage, number>>;

/** Starts with the process. */
export class StartupClock {
  readonly stagesMs: StartupMs = {};
  #endedMs = 0;

  /** Ends a stage; only the first end of each counts. */
  end(stage: StartupStage): void {
    if (this.stagesMs[stage] !== undefined) return;
    const now = performance.now();
    this.stagesMs[stage] = now - this.#endedMs;
    this.#endedMs = now;
  }
}
