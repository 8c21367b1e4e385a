// The crews of a run, one after another: whoever puts the next number starts that crew, anybody else finds it there.

import type { Storage } from "../storage/storage.ts";
import { getJson, putOwnJson } from "./json-object.ts";
import { runKeys } from "./keys.ts";
import type { RunCost } from "../plan/run-cost.ts";
import type { RunManifest } from "./records.ts";

/** `attempts/<n>.json`: what all of a crew's functions are started with, and when it has to end. */
export interface Attempt {
  readonly at: string;
  readonly storage: string;
  readonly channel: string;
  readonly functions?: string;
  readonly workers: number;
  /** What crews have cost whose heartbeats are gone. */
  readonly before: RunCost;
  /** Where it goes on from a crew of another size: when, and what the run had cost by then. */
  readonly resized?: { readonly at: string; readonly spentUsd: number };
  /** Of the run, `before` included. */
  readonly budgetUsd?: number;
  readonly deadlineAt?: string;
  /** Of a crew that took over from one that had died: the step of the newest checkpoint, -1 for none. */
  readonly checkpointStep?: number;
  /** The crew since which frames lie under another name (run/crew.ts). */
  readonly framesOf?: number;
}

export interface NumberedAttempt {
  readonly attempt: number;
  readonly record: Attempt;
}

/** The run as a crew of so many workers trains it. */
export function ofCrew(manifest: RunManifest, workers: number): RunManifest {
  return { ...manifest, config: { ...manifest.config, workers } };
}

/** The newest crew; undefined if none was started yet. */
export async function newestAttempt(storage: Storage, runId: string): Promise<NumberedAttempt | undefined> {
  const keys = runKeys(runId);
  const numbers = (await Array.fromAsync(storage.list(keys.attempts))).map((key) =>
    Number(/(\d+)\.json$/.exec(key)?.[1]),
  );
  if (numbers.length === 0) return undefined;
  const attempt = Math.max(...numbers);
  const record = await getJson<Attempt>(storage, keys.attempt(attempt));
  return record && { attempt, record };
}

/** Whether this crew is the caller's to start: of several callers exactly one gets true. */
export function claimAttempt(
  storage: Storage,
  runId: string,
  { attempt, record }: NumberedAttempt,
): Promise<boolean> {
  return putOwnJson(storage, runKeys(runId).attempt(attempt), record);
}
