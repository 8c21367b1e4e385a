// Where a worker stands: all that its next start needs to know beside the arrays of its state.

import type { Residuals } from "../algorithms/algorithm.ts";
import type { EarlierRound } from "../allreduce/collective.ts";
import { type Pace, UNKNOWN_PACE } from "./lifetime.ts";
import type { Stall, WorkTotals } from "../run/records.ts";
import { NO_STALL } from "./stall.ts";
import type { Resize, StopVote } from "./stop-vote.ts";

/** Plain data. What is not said to be a rank's own is equal on all ranks after an exchange. */
export interface Cursor {
  /** Steps finished. */
  step: number;
  /** Sums of the epoch under way. */
  epochLoss: number;
  epochCorrect: number;
  epochSamples: number;
  /** Steps of it that changed nothing, for gradients overflowed; absent where the loss is not scaled. */
  epochSkipped?: number;
  /** Of the last epoch that was validated; null before. Where the loss counts no right answers, there is no accuracy. */
  accuracy: number | null;
  validationLoss: number | null;
  /** From 1; 0 before. */
  validatedEpoch: number;
  /** The best of them, by what the run goes by (run/best-epoch.ts). */
  bestEpoch: { readonly epoch: number; readonly worth: number } | null;
  /** Whether the algorithm was done with the last exchange. */
  converged: boolean;
  /** Of the last exchange; null where the algorithm has none. */
  residuals: Residuals | null;
  /** Exchanges since the newest checkpoint, which was made when the step `checkpointStep` was done; -1: there is none. */
  exchanges: number;
  checkpointStep: number;
  /** The last step whose frames are swept; -1 before. */
  sweptStep: number;
  /** Mean losses of the run's first exchanges. */
  firstLosses: number[];
  /** The attempt under way, and the step that it began with. */
  began: { readonly attempt: number; readonly step: number };
  /** What all decided in the attempt's last exchange, if it was not the run's: nothing follows. */
  decided: StopVote | Resize | null;
  /** A rank's own: what all its starts of the attempt have spent, until now and until the last epoch's end. */
  spent: SpentTotals;
  epochSpent: SpentTotals;
  /** A rank's own: when the attempt's first start had finished a step; null before. */
  firstStepMs: number | null;
  /** A rank's own: what its last worker has measured (src/worker/lifetime.ts). */
  pace: Pace;
  /** A rank's own: what became of its last workers (src/worker/stall.ts). */
  stall: Stall;
}

export type SpentTotals = Readonly<WorkTotals & { wallMs: number }>;

const NOTHING_SPENT: SpentTotals = {
  ...{ wallMs: 0, computeMs: 0, gpuBusyMs: 0, dataMs: 0, exchangeMs: 0, waitMs: 0 },
  ...{ bytesUp: 0, bytesDown: 0, requests: 0, requestsUsd: 0 },
};

export function startCursor(): Cursor {
  return {
    ...{ step: 0, epochLoss: 0, epochCorrect: 0, epochSamples: 0 },
    ...{ accuracy: null, validationLoss: null, validatedEpoch: 0, bestEpoch: null },
    ...{ converged: false, residuals: null },
    ...{ exchanges: 0, checkpointStep: -1, sweptStep: -1, firstLosses: [] },
    ...{ began: { attempt: 0, step: 0 }, spent: NOTHING_SPENT, epochSpent: NOTHING_SPENT },
    ...{ decided: null, firstStepMs: null, pace: UNKNOWN_PACE, stall: NO_STALL },
  };
}

/** Before the cursor: the rounds whose frames a worker that begins there has to sweep. A part outlives two steps. */
export function unsweptRounds(
  { step: end, sweptStep }: Cursor,
  { stepsPerEpoch, exchangeSteps }: { readonly stepsPerEpoch: number; readonly exchangeSteps: number },
): EarlierRound[] {
  const rounds: EarlierRound[] = [];
  for (let step = Math.max(0, Math.min(sweptStep, end - 3)); step < end; step++) {
    const finished = (step % stepsPerEpoch) + 1;
    if (finished % exchangeSteps === 0 || finished === stepsPerEpoch) rounds.push({ kind: "sums", step });
    if (finished === stepsPerEpoch) rounds.push({ kind: "scalars", step: Math.floor(step / stepsPerEpoch) });
  }
  return rounds;
}

/** To be called by every worker of an attempt when it has its state: what it has spent counts from the attempt's begin. */
export function beginAttempt(cursor: Cursor, attempt: number): void {
  if (cursor.began.attempt === attempt) return;
  cursor.began = { attempt, step: cursor.step };
  cursor.spent = cursor.epochSpent = NOTHING_SPENT;
  cursor.firstStepMs = cursor.decided = null;
}
