// A crew of a run, as whoever starts it or attaches to it knows it.

import { areParameterServers } from "../allreduce/parameter-servers.ts";
import type { NumberedAttempt } from "./attempts.ts";
import { RUN_SCHEMA_VERSION, type RunManifest, type StarterEvent, type WorkerEvent } from "./records.ts";

export interface Crew extends NumberedAttempt {
  readonly manifest: RunManifest;
}

/** What a crew's functions are given beside their rank. */
export function crewEvent({ manifest, attempt, record }: Crew): Omit<StarterEvent, "kind" | "ranks"> {
  const { storage, channel, functions, workers } = record;
  return {
    ...{ schemaVersion: RUN_SCHEMA_VERSION, runId: manifest.runId, attempt, workers, storage, channel },
    ...(functions === undefined ? {} : { functions }),
  };
}

export function workerEvent(
  crew: Crew,
  worker: Pick<WorkerEvent, "rank" | "generation" | "reason">,
): WorkerEvent {
  return { ...crewEvent(crew), kind: "worker", ...worker };
}

/**
 * Whether a rank can be replaced while its peers wait. Without lockstep, or with parameter servers, what it has missed
 * is gone: then a new crew goes on from the newest checkpoint.
 */
export function ranksAreReplaceable({ frames, config }: RunManifest): boolean {
  return frames.staleness === null && !areParameterServers(config.channel);
}

/**
 * Under what name a crew's frames lie. In lockstep a step that is repeated gives the same bytes, so that crews share them.
 * Without it a new crew would take the updates of the one before for its own, wait for what that one has swept, and read
 * its progress as its peers'.
 */
export function framesName({ runId, frames }: RunManifest, attempt: number): string {
  return frames.staleness === null || attempt === 0 ? runId : `${runId}/${attempt}`;
}
