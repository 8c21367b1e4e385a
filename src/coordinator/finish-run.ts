// The end of a run: its results become one record, and what it needed on the way is deleted. Whoever is there does it,
// `train` or `runs watch`, and two may at once: the first summary stays.

import { lastEpochFrames } from "../allreduce/open-collective.ts";
import { areParameterServers, forgetRun, parameterServers } from "../allreduce/parameter-servers.ts";
import { parseReduce } from "../allreduce/patterns/index.ts";
import { getJson, putJson } from "../run/json-object.ts";
import { runKeys, type RunKeys } from "../run/keys.ts";
import type { RunSummary, WorkerResult } from "../run/records.ts";
import { openChannel } from "../storage/open.ts";
import type { Storage } from "../storage/storage.ts";
import { type Crew, framesName } from "../run/crew.ts";
import { summarise } from "./summarise.ts";

/**
 * The summary of a run whose workers have all left their results; undefined while one has not. Safe to repeat, and where
 * somebody else finishes the run at the same time. Throws "replicas-differ" naming the workers.
 */
export async function finishRun(storage: Storage, crew: Crew): Promise<RunSummary | undefined> {
  const keys = runKeys(crew.manifest.runId);
  const finished = await getJson<RunSummary>(storage, keys.summary);
  const summary = finished ?? (await writeSummary(storage, keys, crew));
  if (summary === undefined) return undefined;
  await deleteTransients(storage, keys, summary);
  if (crew.record.channel !== crew.record.storage) await deleteLastFrames(crew, summary.epochs);
  return summary;
}

async function writeSummary(storage: Storage, keys: RunKeys, crew: Crew): Promise<RunSummary | undefined> {
  const results = await readResults(storage, keys, crew);
  // Another one may have finished the run, and deleted its results, while they were read.
  if (results === undefined) return getJson<RunSummary>(storage, keys.summary);
  const summary = await summarise(storage, crew, results);
  if ((await putJson(storage, keys.summary, summary, { ifAbsent: true })) === "stored") return summary;
  return getJson<RunSummary>(storage, keys.summary);
}

async function readResults(
  storage: Storage,
  keys: RunKeys,
  { attempt, record }: Crew,
): Promise<WorkerResult[] | undefined> {
  const results: WorkerResult[] = [];
  for (let rank = 0; rank < record.workers; rank++) {
    const result = await getJson<WorkerResult>(storage, keys.result(attempt, rank));
    // Another crew goes on.
    if (result === undefined || result.resizedTo !== undefined) return undefined;
    results.push(result);
  }
  return results;
}

/** A finished run leaves only its results; a stopped one also what it needs to go on. */
async function deleteTransients(
  storage: Storage,
  keys: RunKeys,
  { status, best, modelPath }: RunSummary,
): Promise<void> {
  // A stopped run that goes on may come to no better one.
  const isNewest = best?.modelPath === modelPath && status === "completed";
  const toGoOn = [...keys.frames, keys.checkpoints, keys.attempts];
  const ofWorkers = [
    keys.leases,
    keys.heartbeats,
    keys.starters,
    keys.summonses,
    keys.handovers,
    keys.results,
    keys.failures,
  ];
  const isCompleted = status === "completed";
  const folders = [...ofWorkers, ...(isCompleted ? toGoOn : [])];
  for (const folder of folders) await storage.deleteFolder(folder);
  const models = [...(isNewest ? [keys.bestModel] : []), ...(isCompleted ? [keys.bestHead] : [])];
  await storage.delete([keys.stop, keys.resize, ...models]);
}

/** Workers sweep their frames; only the mean of the last epoch's scalars must outlive them, for the slowest to read. */
async function deleteLastFrames({ manifest, attempt, record }: Crew, epochs: number): Promise<void> {
  const { config } = manifest;
  const runId = framesName(manifest, { attempt, ...record });
  if (areParameterServers(record.channel)) {
    await forgetRun(parameterServers(record.channel, process.env), runId);
    return;
  }
  const channel = await openChannel(record.channel);
  await channel.delete(
    lastEpochFrames({ runId, worldSize: record.workers, reduce: parseReduce(config.reduce) }, epochs),
  );
  await channel.close();
}
