// How far a run is, read from the names of its frames in a folder: what its workers tell a watcher comes too seldom to
// strike at a step.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { framePrefixes } from "../../src/allreduce/keys.ts";

const POLL_MS = 10;
/** The first lane of a collective: its steps are the run's. */
const GRADIENTS_LANE = 0;

export class Progress {
  readonly #folders: readonly string[];
  #step = -1;

  constructor(root: string, runId: string) {
    this.#folders = framePrefixes(runId).map((prefix) => join(root, prefix));
  }

  /** Resolves once a frame of `step` or a later one is there. */
  async reach(step: number, signal: AbortSignal): Promise<void> {
    while (this.#look() < step) await sleep(POLL_MS, undefined, { signal });
  }

  #look(): number {
    for (const name of this.#folders.flatMap(namesIn)) {
      const [lane, step] = name.split("-").map(Number);
      if (lane === GRADIENTS_LANE) this.#step = Math.max(this.#step, step!);
    }
    return this.#step;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    // Made with the first frame in it, and gone with the run.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
