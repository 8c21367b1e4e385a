// Another number of workers for a run that goes on: checked as at its start, then left in its storage, where rank 0 finds it.

import { parseReduce } from "../allreduce/patterns/index.ts";
import { SltrainError } from "../errors.ts";
import { optimizerOf } from "../optim/optimizer.ts";
import { ofCrew } from "../run/attempts.ts";
import { requestWorkers } from "../run/membership.ts";
import { readRun } from "../run/registry.ts";
import { openStorage } from "../storage/open.ts";
import { checkFunction } from "./check-function.ts";
import { refuseTooManyWorkers } from "./check-workers.ts";

export interface ResizeOptions {
  readonly storageUri: string;
  readonly runId: string;
  readonly workers: number;
}

/** The length of what is reduced does not decide whether a pattern fits. */
const NOTHING = { begin: 0, end: 0 };

/**
 * Throws "run-unknown", "run-ended", "too-many-workers", "reduce-invalid" if the run's pattern is not one of so many
 * workers, "out-of-memory" and "timeout-too-short".
 */
export async function resizeRun({ storageUri, runId, workers }: ResizeOptions): Promise<void> {
  const storage = await openStorage(storageUri);
  try {
    const { manifest, summary, failure } = await readRun(storage, runId);
    if (summary ?? failure) {
      throw new SltrainError({
        code: "run-ended",
        message: `expected a run that goes on, got ${runId}, which ${summary ? `is ${summary.status}` : "has failed"}`,
        suggestions: [`See it with \`sltrain runs show ${runId}\`.`],
      });
    }
    const { config, data } = ofCrew(manifest, workers);
    refuseTooManyWorkers(config, data);
    parseReduce(config.reduce).plan(NOTHING, workers, 0);
    await checkFunction(config, data, { ...manifest, optimizer: optimizerOf(config) });
    await requestWorkers(storage, runId, { workers });
  } finally {
    await storage.close();
  }
}
