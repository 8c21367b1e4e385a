// The first line that a function of a run prints: it tells whose lines follow, also when the run is over.

import type { FunctionEvent } from "./records.ts";

export interface LogOwner {
  readonly runId: string;
  readonly attempt: number;
  /** Undefined: a starter, or a mapper. */
  readonly rank: number | undefined;
  readonly generation: number | undefined;
}

const OWNER = /\bsltrain run=(\S+) attempt=(\d+)(?: rank=(\d+) generation=(\d+))?/;

export function ownerLine(event: FunctionEvent): string {
  const { runId, attempt } = event;
  const worker =
    event.kind === "worker"
      ? ` rank=${event.rank} generation=${event.generation} reason=${event.reason}`
      : "";
  return `sltrain run=${runId} attempt=${attempt}${worker}`;
}

/** Undefined for any other line. */
export function parseOwnerLine(text: string): LogOwner | undefined {
  const [, runId, attempt, rank, generation] = OWNER.exec(text) ?? [];
  if (runId === undefined) return undefined;
  const count = (digits: string | undefined) => (digits === undefined ? undefined : Number(digits));
  return { runId, attempt: Number(attempt), rank: count(rank), generation: count(generation) };
}
