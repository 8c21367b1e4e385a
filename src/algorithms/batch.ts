// What a replica computes on, and what it tells of it.

import type { CsrBatch } from "../data/csr-batch.ts";

/** Host copy of one batch. */
export interface Batch {
  readonly count: number;
  /** f32[count, ...features], i32[count, T] tokens, or sparse rows where the model takes such. */
  readonly x: Float32Array | Int32Array | CsrBatch;
  /** i32[count] classes, i32[count, T] tokens that come next, or f32[count, outputs] targets. */
  readonly labels: Int32Array | Float32Array;
  /** Global step, and index of the first sample within the global batch: they place the batch in the random streams. */
  readonly step: number;
  readonly sampleOffset: number;
}

/** Sums over the samples of one batch. */
export interface BatchSums {
  readonly loss: number;
  readonly correct: number;
}
