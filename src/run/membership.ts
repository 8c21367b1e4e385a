// How many workers a run has, from which step on: a log whose entries are put if absent, so that a run which finds the
// log of another already written changes at the same steps, and ends with the same bits. Whoever wants another number
// leaves a request; the ranks then agree on the step (worker/stop-vote.ts).

import type { Storage } from "../storage/storage.ts";
import { getJson, putJson } from "./json-object.ts";
import { type RunKeys, runKeys } from "./keys.ts";

/** `members/<fromStep>.json`. */
export interface MembersEntry {
  /** Steps that the workers before them have finished. */
  readonly fromStep: number;
  readonly workers: number;
}

/** `resize.json`: how many workers the run should have, until somebody wants another number. */
export interface ResizeRequest {
  readonly workers: number;
  /** There were no more to be had: whoever can have more may ask for them. */
  readonly scarce?: true;
  readonly at: string;
}

export async function appendMembers(storage: Storage, keys: RunKeys, entry: MembersEntry): Promise<void> {
  await putJson(storage, keys.members(entry.fromStep), entry, { ifAbsent: true });
}

/** In place of whatever was to hold from that step on, and after it: nothing of that is left. */
export async function resetMembers(storage: Storage, keys: RunKeys, entry: MembersEntry): Promise<void> {
  const later = (await readMembers(storage, keys)).filter(({ fromStep }) => fromStep > entry.fromStep);
  await storage.delete(later.map(({ fromStep }) => keys.members(fromStep)));
  await putJson(storage, keys.members(entry.fromStep), entry);
}

/** In the order of steps. */
export async function readMembers(storage: Storage, keys: RunKeys): Promise<MembersEntry[]> {
  const entries: MembersEntry[] = [];
  for await (const key of storage.list(keys.membership)) {
    const entry = await getJson<MembersEntry>(storage, key);
    if (entry) entries.push(entry);
  }
  return entries.sort((a, b) => a.fromStep - b.fromStep);
}

export interface ResizeQuestion {
  /** Of the crew that asks, and where it began. */
  readonly workers: number;
  readonly began: number;
  /** Steps that will be finished when the answer holds. */
  readonly step: number;
  readonly requested: number | undefined;
}

/** How many workers should go on from a step, if not as many: what the log says comes before what somebody wants. */
export function otherWorkers(
  log: readonly MembersEntry[],
  { workers, began, step, requested }: ResizeQuestion,
): number | undefined {
  const due = log.findLast(({ fromStep }) => fromStep > began && fromStep <= step);
  const wanted = due !== undefined && due.workers !== workers ? due.workers : requested;
  return wanted === workers ? undefined : wanted;
}

export async function requestWorkers(
  storage: Storage,
  runId: string,
  wanted: Pick<ResizeRequest, "workers" | "scarce">,
): Promise<void> {
  const request: ResizeRequest = { ...wanted, at: new Date().toISOString() };
  await putJson(storage, runKeys(runId).resize, request);
}
