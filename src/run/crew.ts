// A crew of a run, as whoever starts it or attaches to it knows it.

import { areParameterServers } from "../allreduce/parameter-servers.ts";
import type { NumberedAttempt } from "./attempts.ts";
import { RUN_SCHEMA_VERSION, type RunManifest, type StarterEvent, type WorkerEvent } from "./records.ts";

export interface Crew extends NumberedAttempt {
  readonly manifest: RunManifest;
}

/** What a crew's functions are given beside their rank. */
export function crewEvent(
  { runId }: Pick<RunManifest, "runId">,
  { attempt, record }: NumberedAttempt,
): Omit<StarterEvent, "kind" | "ranks"> {
  const { storage, channel, functions, workers, framesOf } = record;
  return {
    ...{ schemaVersion: RUN_SCHEMA_VERSION, runId, attempt, workers, storage, channel },
    ...(functions === undefined ? {} : { functions }),
    ...(framesOf === undefined ? {} : { framesOf }),
  };
}

export function workerEvent(
  crew: Crew,
  worker: Pick<WorkerEvent, "rank" | "generation" | "reason">,
): WorkerEvent {
  return { ...crewEvent(crew.manifest, crew), kind: "worker", ...worker };
}

/**
 * Whether a rank can be replaced while its peers wait. Without lockstep, or with parameter servers, what it has missed
 * is gone: then a new crew goes on from the newest checkpoint.
 */
export function ranksAreReplaceable({ frames, config }: RunManifest): boolean {
  return frames.staleness === null && !areParameterServers(config.channel);
}

/**
 * Under what name a crew's frames lie. In lockstep a step that is repeated gives the same bytes, so that crews share them,
 * but for one of another size that repeats steps of the one before. Without lockstep a new crew would take the updates of
 * the one before for its own, wait for what that one has swept, and read its progress as its peers'.
 */
export function framesName(
  { runId, frames }: RunManifest,
  { attempt, framesOf = 0 }: { readonly attempt: number; readonly framesOf?: number | undefined },
): string {
  const first = frames.staleness === null ? framesOf : attempt;
  return first === 0 ? runId : `${runId}/${first}`;
}
