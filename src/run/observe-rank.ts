// What becomes of a rank, as anybody can see it who reaches the run's storage: a peer that waits for it, or the
// coordinator. Nobody's clock is compared with another's: whoever observes asks whether the newest heartbeat changes
// while a lease passes on its own clock.

import { setTimeout as sleep } from "node:timers/promises";
import type { Storage } from "../storage/storage.ts";
import { getJson } from "./json-object.ts";
import type { RunKeys } from "./keys.ts";
import type { Heartbeat, Lease, WorkerFailure, WorkerResult } from "./records.ts";

/** A rank of one crew of a run. */
export interface RankPlace {
  readonly storage: Storage;
  readonly keys: RunKeys;
  readonly attempt: number;
  readonly rank: number;
}

/** A generation of a rank that acts, or did. */
interface Acting {
  /** The newest with a lease; -1 if none ever had one. */
  readonly generation: number;
  /** Its newest; undefined if it has given none. */
  readonly heartbeat: Heartbeat | undefined;
}

/**
 * `alive`: it gave a sign of life while it was watched. `dead`: it gave none, or nobody has ever acted for the rank.
 * `handed-over`: it left in good order, and its successor has not come. `ended`: the rank has its result. `failed`: it
 * left word that it cannot go on.
 */
export type Observation =
  | (Acting & { readonly state: "alive" })
  | (Acting & { readonly state: "dead" | "handed-over" })
  | { readonly state: "ended"; readonly result: WorkerResult }
  | { readonly state: "failed"; readonly failure: WorkerFailure };

export interface ObserveOptions {
  /** A worker that gives no sign for so long is dead. */
  readonly leaseMs: number;
  /** Throws its reason. */
  readonly signal?: AbortSignal;
}

/**
 * Looks so often in a lease, so that who is alive is not watched for long. Looks are counted, and not the time: where the
 * machine stands still, whoever observes stands still with it.
 */
const LOOKS = 6;

/** The newest generation that has a lease; -1 if none has. */
export function newestGeneration({ storage, keys, attempt, rank }: RankPlace): Promise<number> {
  return newestIn(storage, keys.leasesOf(attempt, rank));
}

/** The highest generation that has an object in a rank's folder; -1 if none has. */
export async function newestIn(storage: Storage, folder: string): Promise<number> {
  let newest = -1;
  for await (const key of storage.list(folder))
    newest = Math.max(newest, Number.parseInt(key.slice(folder.length), 10));
  return newest;
}

/** Until a generation of the rank has a lease, for so long at most. */
export async function untilClaimed(
  { storage, keys, attempt, rank }: RankPlace,
  generation: number,
  options: { readonly patienceMs: number; readonly everyMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const { patienceMs, everyMs, signal } = options;
  const lease = { key: keys.lease(attempt, rank, generation) };
  const untilMs = performance.now() + patienceMs;
  while (performance.now() < untilMs && (await storage.get(lease)) === undefined)
    await sleep(everyMs, undefined, { signal });
}

/** Watches a rank for a lease at most. */
export async function observeRank(
  place: RankPlace,
  { leaseMs, signal }: ObserveOptions,
): Promise<Observation> {
  const { storage, keys, attempt, rank } = place;
  let first: Acting | undefined;
  for (let look = 0; ; look++) {
    const [failure, result, now] = await Promise.all([
      getJson<WorkerFailure>(storage, keys.workerFailure(attempt, rank)),
      getJson<WorkerResult>(storage, keys.result(attempt, rank)),
      acting(place, first?.generation ?? (await newestGeneration(place))),
    ]);
    if (failure) return { state: "failed", failure };
    if (result) return { state: "ended", result };
    first ??= now;
    if (now.generation !== first.generation || now.heartbeat?.beat !== first.heartbeat?.beat)
      return { ...now, state: "alive" };
    if (look === LOOKS)
      return { ...now, state: now.heartbeat?.state === "handed-over" ? "handed-over" : "dead" };
    await sleep(leaseMs / LOOKS, undefined, signal && { signal });
    signal?.throwIfAborted();
  }
}

/** What is newer than `known`, or that one as it is. */
async function acting(place: RankPlace, known: number): Promise<Acting> {
  const { storage, keys, attempt, rank } = place;
  const [next, heartbeat] = await Promise.all([
    getJson<Lease>(storage, keys.lease(attempt, rank, known + 1)),
    known < 0 ? undefined : getJson<Heartbeat>(storage, keys.heartbeat(attempt, rank, known)),
  ]);
  return next ? acting(place, known + 1) : { generation: known, heartbeat };
}
