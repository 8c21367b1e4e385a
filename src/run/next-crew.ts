// The crew after one of which a worker died, where a single rank cannot be replaced, or no function is to be had for it:
// all begin again at the newest checkpoint. Whoever puts the next attempt first starts it; the workers of the one before see it and end.

import { areParameterServers, forgetRun, parameterServers } from "../allreduce/parameter-servers.ts";
import { SltrainError } from "../errors.ts";
import type { Functions } from "../functions/functions.ts";
import type { Storage } from "../storage/storage.ts";
import { type Attempt, claimAttempt } from "./attempts.ts";
import { type Crew, crewEvent } from "./crew.ts";
import { getJson } from "./json-object.ts";
import { runKeys, type RunKeys } from "./keys.ts";
import { requestWorkers, resetMembers } from "./membership.ts";
import { startWorkers } from "./start-workers.ts";

export interface NextCrewOptions {
  readonly storage: Storage;
  readonly functions: Functions;
  /** Of which a worker died. */
  readonly crew: Crew;
  /** Where no more are to be had, and what the run has cost until now. Default: as many as before. */
  readonly smaller?: { readonly workers: number; readonly spentUsd: number };
  readonly by: string;
}

/**
 * The crew that it has started; undefined if somebody else was faster. Throws "worker-died" if `maxRestarts` crews have
 * begun at one checkpoint and made no other, and what `Functions.invoke` throws.
 */
export async function startNextCrew({
  storage,
  functions,
  crew,
  smaller,
  by,
}: NextCrewOptions): Promise<Crew | undefined> {
  const { manifest, attempt } = crew;
  const { runId, config } = manifest;
  const keys = runKeys(runId);
  const checkpointStep = await newestCheckpointStep(storage, keys);
  const deaths = await deathsAt(checkpointStep, storage, keys, attempt);
  if (deaths >= config.maxRestarts && smaller === undefined) throw crewsDied(deaths, checkpointStep);
  const at = new Date().toISOString();
  const record: Attempt = {
    ...{ ...crew.record, at, checkpointStep },
    // What the larger crew did since the checkpoint is cut otherwise.
    ...(smaller && { workers: smaller.workers, framesOf: attempt + 1 }),
    ...(smaller && { resized: { at, spentUsd: smaller.spentUsd } }),
  };
  const next: Crew = { manifest, attempt: attempt + 1, record };
  const { workers } = record;
  // Before there is anybody to find it.
  if (smaller) await requestWorkers(storage, runId, { workers, scarce: true });
  if (!(await claimAttempt(storage, runId, next))) return undefined;
  if (smaller) await resetMembers(storage, keys, { fromStep: Math.max(0, checkpointStep), workers });
  if (areParameterServers(config.channel))
    await forgetRun(parameterServers(config.channel, process.env), runId);
  const event = { ...crewEvent(manifest, next), kind: "starter", ranks: [0, workers] } as const;
  await startWorkers({ storage, functions, event, by });
  return next;
}

async function newestCheckpointStep(storage: Storage, { checkpoints }: RunKeys): Promise<number> {
  let newest = -1;
  for await (const key of storage.list(checkpoints))
    newest = Math.max(newest, Number.parseInt(key.slice(checkpoints.length), 10));
  return newest;
}

/** Crews in a row, the newest included, that took over at this checkpoint. */
async function deathsAt(step: number, storage: Storage, keys: RunKeys, newest: number): Promise<number> {
  let deaths = 0;
  for (let attempt = newest; attempt > 0; attempt--, deaths++) {
    const record = await getJson<Attempt>(storage, keys.attempt(attempt));
    if (record?.checkpointStep !== step) break;
  }
  return deaths;
}

function crewsDied(deaths: number, checkpointStep: number): SltrainError {
  const from = checkpointStep < 0 ? "the beginning" : `the checkpoint of step ${checkpointStep}`;
  return new SltrainError({
    code: "worker-died",
    message: `workers: expected one of ${deaths + 1} crews to get on from ${from}, but a worker of each died`,
    suggestions: ["See what they logged last: `sltrain runs logs` shows it."],
  });
}
