// What a training loop needs of a reduce: every rank pushes sums, all ranks get the same mean.

import type { FrameAddress } from "../shard/frame.ts";
import type { ElementRange } from "../shard/layout.ts";
import type { ZstdVerdict } from "../shard/zstd-trial.ts";

/** What one round brought to every rank, bit-identical on all of them. */
export interface RoundResult {
  /** Total weight (samples) of all contributions. */
  readonly weight: number;
  /** The ranks' scalars, added in rank order. */
  readonly scalars: Float64Array;
}

export interface RoundOptions {
  /** 0-based; every rank opens the same steps in the same order. */
  readonly step: number;
  /** Samples behind this rank's sums; 0 is allowed as long as some rank has more. */
  readonly weight: number;
  /** Milliseconds to wait for a peer's frame before the round fails with "peer-missing" naming rank, step and key. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Round {
  /**
   * Starts sending one bucket's sums (f32, length of the bucket; may view WASM or shared memory), which must not change
   * before `finish` settles. Each bucket exactly once per round, in any order. A failure of what it started is thrown by
   * `finish`.
   *
   * `words`, as long as `sums`, are the bucket's `Collective.ownPieces` as the caller has encoded them: each begins where the
   * piece does. What `sums` has of a piece is not read then.
   */
  push(bucket: number, sums: Float32Array, words?: Float32Array): void;
  /**
   * Sends `scalars` (added in f64, e.g. loss sum, correct count, stop votes), waits for all ranks, and writes the
   * mean (sum / total weight) of all buckets into `mean` (f32, the whole flat vector; may be the memory that was
   * pushed). Call once, after the last push.
   * Throws SltrainError "peer-missing" (rank, step and key named), "frame-damaged", "frame-foreign" (key named), or
   * "weight-zero" (on every rank, if none had samples).
   */
  finish(scalars: Float64Array, mean: Float32Array): Promise<RoundResult>;
}

/** Time and traffic since the collective was opened. */
export interface CollectiveStats {
  /** In `push`, and in `finish` while something was encoded, decoded, summed, put or read. */
  readonly exchangeMs: number;
  /** In `finish`, while nothing but peers' frames was waited for. What overlaps with the caller's work is in neither. */
  readonly waitMs: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** All that a store may charge for, polls that came too early included. */
  readonly requests: number;
  /** What those cost at the store's prices; 0 where they are free. */
  readonly requestsUsd: number;
  /** Whether gradients are compressed by zstd, and what decided that; absent if nothing is encoded. */
  readonly zstd?: ZstdVerdict;
}

/** Plain named arrays, so that a checkpoint can hold them. */
export type CollectiveState = Readonly<Record<string, Float32Array | Int32Array>>;

/** A round that an earlier start of this rank had opened: of `begin`, or of `reduceScalars`. */
export interface EarlierRound {
  readonly kind: "sums" | "scalars";
  readonly step: number;
}

/** A piece of a bucket, as it is sent. Plain data: another thread may have made it. */
export interface OwnPiece extends ElementRange {
  /** As `parseCodec` reads it. */
  readonly codec: string;
  /** With the round's step, what `roundingSeed` takes; `seed` is the run's. */
  readonly address: Omit<FrameAddress, "step">;
  readonly seed: number;
  /**
   * Of a biased codec: this piece's part of `state`. Whoever encodes keeps it himself, and writes it back here before anybody
   * reads `state`, or before a round whose sums are pushed as they are.
   */
  readonly residual?: Float32Array;
}

export interface Collective {
  /** Parts of the flat vector in the order in which they are pushed best: backward completes the last tensors first. */
  readonly buckets: readonly ElementRange[];
  /**
   * What this rank sends of its own sums, in ascending order: whoever pushes may encode it beforehand, to the same bits. What
   * the rank adds to a sum itself is none of it, for it is added as it is. Empty with codecs that have no `words`, and where
   * sums that were late are added first.
   */
  readonly ownPieces: readonly OwnPiece[];
  /** The current reading. */
  readonly stats: CollectiveStats;
  /**
   * What decides the bits of this rank's next rounds beside what is pushed: the residuals of error feedback, the slots
   * of packed objects. Views, valid until the next `begin`; differs from rank to rank.
   */
  readonly state: CollectiveState;
  /**
   * Takes over what `state` was after the round before the next one: a rank that starts anew then gives the same bits.
   * Throws SltrainError "state-mismatch" naming the array.
   */
  restore(state: CollectiveState): void;
  /**
   * To be called once, after `restore`, with the rounds before it whose frames may still be there, in their order: who
   * wrote them deletes nothing any more, so `sweep` deletes them as if this start had written them.
   */
  inherit(rounds: readonly EarlierRound[]): void;
  /** Opens the next round; the one before must have finished. */
  begin(options: RoundOptions): Round;
  /**
   * A round with scalars and weight only, for an epoch's validation sums. `step` counts apart from that of `begin`. All
   * ranks call it between the same rounds.
   */
  reduceScalars(options: RoundOptions, scalars: Float64Array): Promise<RoundResult>;
  /**
   * The next round as an earlier start of this rank left it, from its mean frames alone: nothing is pushed, `mean` and the
   * result are what `finish` gave. undefined, and nothing has changed, if one of the frames is not there, or where it
   * takes the rank's sums to know what the round left it with: with a biased codec and PowerSGD, whose residuals are made
   * of them, and with parameter servers. The round is then begun as any other.
   */
  replay(options: RoundOptions, mean: Float32Array): Promise<RoundResult | undefined>;
  /** The same for the next round of `reduceScalars`. */
  replayScalars(options: RoundOptions): Promise<RoundResult | undefined>;
  /**
   * Deletes what this rank wrote and no rank can need any more: sums of steps up to `currentStep` - 2, for a rank that
   * begins `currentStep` knows that all have finished that step; and means up to `durableStep`, the newest step whose
   * checkpoint is known to be durable, for a rank that starts anew replays the means after it (-1: none yet). Nothing is
   * deleted after a round that went without some rank's sums: that rank may be anywhere.
   */
  sweep(currentStep: number, durableStep: number): Promise<void>;
  /** Ends connections and threads; nothing may be under way. */
  close(): Promise<void>;
}
