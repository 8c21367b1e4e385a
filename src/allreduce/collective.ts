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
   * Starts sending one bucket's sums (f32, length of the bucket). The values are encoded before this returns, so the
   * caller may overwrite them afterwards. Each bucket exactly once per round, in any order.
   */
  push(bucket: number, sums: Float32Array): void;
  /**
   * Sends `scalars` (added in f64, e.g. loss sum, correct count, stop votes), waits for all ranks, and writes the
   * mean (sum / total weight) of all buckets into `mean` (f32, the whole flat vector). Call once, after the last push.
   */
  finish(scalars: Float64Array, mean: Float32Array): Promise<RoundResult>;
}

/** Time and traffic since the collective was opened. */
export interface CollectiveStats {
  /** Encoding, decoding, summing and storage calls that made progress. */
  exchangeMs: number;
  /** Waiting for peers' frames. */
  waitMs: number;
  bytesUp: number;
  bytesDown: number;
  requests: number;
}

export interface Collective {
  readonly stats: Readonly<CollectiveStats>;
  begin(options: RoundOptions): Round;
  /** A round with scalars and weight only, for an epoch's validation sums. `step` names are apart from those of `begin`. */
  reduceScalars(options: RoundOptions, scalars: Float64Array): Promise<RoundResult>;
  /**
   * Deletes what no rank can need any more: this rank's own frames of steps that all ranks have left behind, and mean
   * frames up to `durableStep`, the newest step whose checkpoint is known to be durable.
   */
  sweep(currentStep: number, durableStep: number): Promise<void>;
}
