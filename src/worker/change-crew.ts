// What a rank does when all have ended for another number of workers: it waits until that is so, and finds or makes the
// crew that goes on. Rank 0 makes it; the others do only where it does not.

import { assert, SltrainError } from "../errors.ts";
import type { Functions } from "../functions/functions.ts";
import type { Attempt, NumberedAttempt } from "../run/attempts.ts";
import { getJson } from "../run/json-object.ts";
import { runKeys } from "../run/keys.ts";
import type { Usage, WorkerEvent } from "../run/records.ts";
import { succeedCrew } from "../run/succeed-crew.ts";
import type { Storage } from "../storage/storage.ts";
import { RunLimits } from "./run-limits.ts";

export interface ChangeCrewOptions {
  readonly storage: Storage;
  readonly functions: Functions | undefined;
  readonly event: WorkerEvent;
  /** Of the next crew. */
  readonly workers: number;
  readonly leaseMs: number;
  /** Longest wait for a peer. */
  readonly timeoutMs: number;
  /** Of this worker, now. */
  readonly usage: () => Usage;
  /** Told of ranks that have not ended for a lease. */
  readonly late: (ranks: readonly number[]) => void;
}

/** Rank 0 has so long to make the next crew. */
const PATIENCE_LEASES = 2;

/** The next crew, when all ranks of this one have left their results. Throws "wait-timeout" naming one that has not. */
export async function changeCrew(options: ChangeCrewOptions): Promise<NumberedAttempt> {
  const { storage, functions, event, workers, leaseMs, usage } = options;
  const { runId, rank, attempt } = event;
  const keys = runKeys(runId);
  const next = attempt + 1;
  const isThere = rank > 0 && (await arrives(storage, keys.attempt(next), PATIENCE_LEASES * leaseMs));
  const made = isThere ? await getJson<Attempt>(storage, keys.attempt(next)) : undefined;
  if (made !== undefined) return { attempt: next, record: made };
  await allEnded(options);
  const record = await getJson<Attempt>(storage, keys.attempt(attempt));
  assert(record !== undefined, `a crew has a record, but ${keys.attempt(attempt)} is not there`);
  const { functions: uri } = event;
  return succeedCrew({
    ...{ storage, runId, workers, crew: { attempt, record }, startsFrom: event.workers, by: String(rank) },
    spentUsd: new RunLimits({ record, usage }).spentUsd(),
    functions: functions && uri !== undefined ? { uri, client: functions } : undefined,
    // Whoever misses a rank starts it again.
    onRefusal: (error) => console.error(`could not start a worker that joins: ${String(error)}`),
  });
}

async function allEnded({ storage, event, leaseMs, timeoutMs, late }: ChangeCrewOptions): Promise<void> {
  const keys = runKeys(event.runId);
  const untilMs = performance.now() + timeoutMs;
  const missing = new Set(Array.from({ length: event.workers }, (_, rank) => rank));
  while (missing.size > 0) {
    const ranks = [...missing];
    const refs = ranks.map((rank) => ({ key: keys.result(event.attempt, rank) }));
    try {
      for await (const { index } of storage.waitFor(refs, { timeoutMs: leaseMs }))
        missing.delete(ranks[index]!);
    } catch (error) {
      if (!isTimeout(error) || performance.now() > untilMs) throw error;
      late([...missing]);
    }
  }
}

async function arrives(storage: Storage, key: string, timeoutMs: number): Promise<boolean> {
  try {
    for await (const _ of storage.waitFor([{ key }], { timeoutMs })) return true;
  } catch (error) {
    if (!isTimeout(error)) throw error;
  }
  return false;
}

function isTimeout(error: unknown): boolean {
  return error instanceof SltrainError && error.code === "wait-timeout";
}
