// Why a run stops early, as one number that the ranks' votes add up to: it rides in the frames, so that all ranks stop at
// the same step for the same reason.

import type { StopReason } from "../run/records.ts";

export type StopVote = Extract<StopReason, "stop-requested" | "budget-reached" | "deadline-reached">;

/** Any rank may ask for a stop; the others are rank 0's, each above all that the ones before can add up to. */
const WEIGHTS = {
  "stop-requested": 1,
  "deadline-reached": 2 ** 20,
  "budget-reached": 2 ** 21,
} as const satisfies Record<StopVote, number>;

export function voteFor(reason: StopVote | undefined): number {
  return reason === undefined ? 0 : WEIGHTS[reason];
}

/** The heaviest reason of a sum of votes; undefined if nobody voted. */
export function reasonOf(votes: number): StopVote | undefined {
  const reasons = Object.keys(WEIGHTS) as StopVote[];
  return reasons.findLast((reason) => votes >= WEIGHTS[reason]);
}
