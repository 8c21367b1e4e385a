// How a generation of a rank is started: once for each try, however many want it.

import type { Functions } from "../functions/functions.ts";
import type { Storage } from "../storage/storage.ts";
import { getJson, putOwnJson } from "./json-object.ts";
import { runKeys } from "./keys.ts";
import type { RankPlace } from "./observe-rank.ts";
import type { Summons, WorkerEvent } from "./records.ts";

export interface SummonOptions {
  readonly storage: Storage;
  readonly functions: Functions;
  readonly event: WorkerEvent;
  /** The rank that wants it, or `coordinator`. */
  readonly by: string;
  /** Steps that the run has finished. */
  readonly step: number;
  /** Counts up where an earlier try brought nobody. Default 0. */
  readonly tryNumber?: number;
}

/** Whether this call was the one that invoked the function. Throws what `Functions.invoke` throws. */
export async function summon(options: SummonOptions): Promise<boolean> {
  const { storage, functions, event, by, step, tryNumber = 0 } = options;
  const { runId, attempt, rank, generation, reason } = event;
  const key = runKeys(runId).summons(attempt, rank, generation, tryNumber);
  const summons: Summons = { reason, by, step, at: new Date().toISOString() };
  if (!(await putOwnJson(storage, key, summons))) return false;
  await functions.invoke(event);
  return true;
}

/** How often a generation of a rank has been summoned, by whomever. */
export async function triesOf(
  { storage, keys, attempt, rank }: RankPlace,
  generation: number,
): Promise<number> {
  const folder = keys.summonsesOf(attempt, rank);
  let tries = 0;
  for await (const key of storage.list(folder)) if (key.startsWith(`${folder}${generation}-`)) tries++;
  return tries;
}

/** Generations of a rank, `newest` included, that took the place of a dead one after `step` had begun. */
export async function deathsAt(
  { storage, keys, attempt, rank }: RankPlace,
  newest: number,
  step: number,
): Promise<number> {
  let deaths = 0;
  for (let generation = newest; generation > 0; generation--, deaths++) {
    const summons = await getJson<Summons>(storage, keys.summons(attempt, rank, generation, 0));
    // One without a summons was repeated by whoever runs functions.
    if (summons !== undefined && (summons.step < step || summons.reason !== "rescue")) break;
  }
  return deaths;
}
