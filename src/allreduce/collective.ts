// What a training loop needs of a reduce: every rank pushes sums, all ranks get the same mean.

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
  readonly signal?: AbortSignal;
}

export interface Round {
  /**
   * Starts sending one bucket's sums (f32, length of the bucket; may view WASM or shared memory). The values are copied
   * before this returns, so the caller may overwrite them. Each bucket exactly once per round, in any order. A failure
   * of what it started is thrown by `finish`.
   */
  push(bucket: number, sums: Float32Array): void;
  /**
   * Sends `scalars` (added in f64, e.g. loss sum, correct count, stop votes), waits for all ranks, and writes the
   * mean (sum / total weight) of all buckets into `mean` (f32, the whole flat vector). Call once, after the last push.
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
}

export interface Collective {
  /** The current reading. */
  readonly stats: CollectiveStats;
  /** Opens the next round; the one before must have finished. */
  begin(options: RoundOptions): Round;
  /**
   * A round with scalars and weight only, for an epoch's validation sums. `step` counts apart from that of `begin`. All
   * ranks call it between the same rounds.
   */
  reduceScalars(options: RoundOptions, scalars: Float64Array): Promise<RoundResult>;
  /**
   * Deletes what this rank wrote and no rank can need any more: sums of steps up to `currentStep` - 2, for a rank that
   * begins `currentStep` knows that all have finished that step; and means up to `durableStep`, the newest step whose
   * checkpoint is known to be durable, for a rank that starts anew replays the means after it (-1: none yet).
   */
  sweep(currentStep: number, durableStep: number): Promise<void>;
}
