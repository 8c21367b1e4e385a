// From a crew whose ranks have all ended for another number of workers to the crew that goes on: whoever puts its record
// starts the ranks that are new. Those that stay go on in the processes that they have.

import { areParameterServers, forgetRun, parameterServers } from "../allreduce/parameter-servers.ts";
import type { Functions } from "../functions/functions.ts";
import type { Storage } from "../storage/storage.ts";
import { claimAttempt, newestAttempt, type NumberedAttempt } from "./attempts.ts";
import { crewEvent } from "./crew.ts";
import { getJson } from "./json-object.ts";
import { runKeys } from "./keys.ts";
import type { WorkerResult } from "./records.ts";
import { startWorkers } from "./start-workers.ts";

export interface SucceedOptions {
  readonly storage: Storage;
  readonly runId: string;
  /** The crew that has ended; all its results are there. */
  readonly crew: NumberedAttempt;
  readonly workers: number;
  /** What the run has cost so far. */
  readonly spentUsd: number;
  /** URI and client of what starts functions; absent where nothing can. */
  readonly functions: { readonly uri: string; readonly client: Functions } | undefined;
  /** The first rank to be started. */
  readonly startsFrom: number;
  /** The rank that starts them, or `coordinator`. */
  readonly by: string;
  /** Told what `Functions.invoke` throws. */
  readonly onRefusal: (error: unknown) => void;
}

/** How many workers a crew has made room for; undefined if it has not ended, or for another reason. */
export async function resizedTo(
  storage: Storage,
  runId: string,
  { attempt, record }: NumberedAttempt,
): Promise<number | undefined> {
  let to: number | undefined;
  for (let rank = 0; rank < record.workers; rank++) {
    to = (await getJson<WorkerResult>(storage, runKeys(runId).result(attempt, rank)))?.resizedTo;
    if (to === undefined) return undefined;
  }
  return to;
}

/** The next crew: this caller's, or one that somebody else has made. */
export async function succeedCrew(options: SucceedOptions): Promise<NumberedAttempt> {
  const { storage, runId, crew, workers, spentUsd, functions, startsFrom, by, onRefusal } = options;
  const at = new Date().toISOString();
  const next = {
    attempt: crew.attempt + 1,
    record: {
      ...crew.record,
      workers,
      resized: { at, spentUsd },
      ...(functions && { functions: functions.uri }),
    },
  };
  if (!(await claimAttempt(storage, runId, next))) return (await newestAttempt(storage, runId)) ?? next;
  if (areParameterServers(next.record.channel))
    await forgetRun(parameterServers(next.record.channel, process.env), runId);
  if (functions === undefined || startsFrom >= workers) return next;
  const event = { ...crewEvent({ runId }, next), kind: "starter", ranks: [startsFrom, workers] } as const;
  await startWorkers({ storage, functions: functions.client, event, by }).catch(onRefusal);
  return next;
}
