// What a training loop drives: step after step on this rank's part of each batch, and after some steps, or all, an
// exchange with the other ranks. Which steps those are depends on the run's settings alone, so all ranks agree.

import type { Collective } from "../allreduce/collective.ts";
import type { LossScale } from "./loss-scale.ts";
import type { Batch } from "./batch.ts";
import type { OwnRows } from "./own-rows.ts";
import type { Replica } from "./replica.ts";

export interface AlgorithmOptions {
  readonly replica: TrainedReplica;
  readonly collective: Collective;
  /** The optimiser's vectors in the replica. */
  readonly optimizerState: readonly string[];
  readonly stepsPerEpoch: number;
  /** Where the replica scales its loss. */
  readonly lossScale?: LossScale | undefined;
  /** Longest wait for a peer. */
  readonly timeoutMs: number;
  /** Ends a wait for peers: `step` then throws its reason. */
  readonly signal?: AbortSignal | undefined;
}

export type TrainedReplica = Pick<
  Replica,
  | "parameters"
  | "statistics"
  | "read"
  | "mirror"
  | "write"
  | "training"
  | "runTraining"
  | "applyUpdate"
  | "startLocalStep"
  | "stepsUnderWay"
>;

export interface TrainingStep {
  /** 0-based, over all epochs. */
  readonly step: number;
  /** This rank's slice of the global batch; undefined if the batch had fewer samples than there are ranks. */
  readonly batch: Batch | undefined;
  /** In place of it where a step is over all rows: this rank's, if it has any. */
  readonly rows?: OwnRows | undefined;
  /** The optimiser's hyperparameters at this step. */
  readonly hyper: Float32Array;
  /** Nonzero asks all ranks to stop after the next exchange. */
  readonly stopVote: number;
}

export interface ReplayedStep extends Pick<TrainingStep, "step" | "hyper"> {
  /** Samples of this rank's slice. */
  readonly weight: number;
}

/** What an exchange told every rank, equal bit for bit: of all samples since the one before. */
export interface ExchangeOutcome {
  readonly samples: number;
  /** Mean over the samples. */
  readonly loss: number;
  readonly correct: number;
  readonly stopVotes: number;
  /** Euclidean norm of the mean gradient, before it is clipped; only of an epoch's last step that exchanges gradients. */
  readonly gradientNorm?: number;
  /** Where the loss is scaled: whether gradients overflowed on a rank, so that none took the update. */
  readonly skipped?: boolean;
  /** Of an algorithm that knows when it is done: whether it is. */
  readonly converged?: boolean;
  /** Of ADMM: how far the ranks are from a consensus, and the consensus from rest. */
  readonly residuals?: Residuals;
}

export interface Residuals {
  readonly primal: number;
  readonly dual: number;
}

export type NamedArrays = Readonly<Record<string, Float32Array | Int32Array>>;

/** What decides the next steps, after an exchange. Views, valid until the next step. */
export interface AlgorithmState {
  /** Equal on all ranks. */
  readonly shared: NamedArrays;
  /** This rank's alone; the names are those of all ranks. */
  readonly own: NamedArrays;
}

export interface Algorithm {
  /**
   * One step; undefined if nothing was exchanged. The last step of an epoch always exchanges, and after an exchange
   * parameters and statistics are equal on all ranks. Throws "loss-not-finite" and what the collective throws.
   */
  step(options: TrainingStep): Promise<ExchangeOutcome | undefined>;
  /**
   * The step as an earlier start of this rank did it, from what all ranks were told by it, with nothing computed but the
   * update. undefined, and nothing has changed, if that is not all there. Absent where a step leaves more than that.
   */
  replay?(options: ReplayedStep): Promise<ExchangeOutcome | undefined>;
  state(): Promise<AlgorithmState>;
  /** Takes over what `state` was after an exchange. */
  restore(state: AlgorithmState): void;
}

/** The replica's vectors `names` as they are. */
export async function vectorsOf(
  replica: Pick<Replica, "read">,
  names: readonly string[],
): Promise<NamedArrays> {
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await replica.read(name)] as const)),
  );
}

/** The round's scalars, in the order in which all algorithms send them. */
export function scalarsOf(
  sums: { loss: number; correct: number },
  stopVote: number,
  ...more: readonly number[]
): Float64Array {
  return Float64Array.of(sums.loss, sums.correct, stopVote, ...more);
}

export function outcomeOf(result: { weight: number; scalars: Float64Array }): ExchangeOutcome {
  const [loss, correct, stopVotes] = result.scalars as unknown as [number, number, number];
  return { samples: result.weight, loss: loss / result.weight, correct, stopVotes };
}
