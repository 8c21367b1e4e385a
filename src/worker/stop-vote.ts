// Why a crew ends before its run is done, as one number that the ranks' votes add up to: it rides in the frames, so that all
// ranks end at the same step for the same reason.

import type { StopReason } from "../run/records.ts";

export type StopVote = Extract<StopReason, "stop-requested" | "budget-reached" | "deadline-reached">;

/** The run goes on with another number of workers. */
export interface Resize {
  readonly resizedTo: number;
}

/** Any rank may ask for a stop; the others are rank 0's, each above all that the ones before can add up to. */
const WEIGHTS = {
  "stop-requested": 1,
  "deadline-reached": 2 ** 20,
  "budget-reached": 2 ** 21,
} as const satisfies Record<StopVote, number>;

/** Of one worker. Above all votes to stop; rank 0's as well. */
const WORKER = 2 ** 22;

export function voteFor(wanted: StopVote | Resize | undefined): number {
  if (wanted === undefined) return 0;
  return typeof wanted === "object" ? wanted.resizedTo * WORKER : WEIGHTS[wanted];
}

/** Of a sum of votes: the heaviest reason to stop, else to resize; undefined if nobody voted. */
export function decisionOf(votes: number): StopVote | Resize | undefined {
  const stops = votes % WORKER;
  const reason = (Object.keys(WEIGHTS) as StopVote[]).findLast((reason) => stops >= WEIGHTS[reason]);
  return reason ?? (votes >= WORKER ? { resizedTo: Math.floor(votes / WORKER) } : undefined);
}
