// GA-SGD, gradient averaging at every step (LambdaML 2021, section 3.2.1; BSP): forward and backward over this rank's
// slice, each bucket sent as soon as its gradients are final, one mean for all, one optimiser update on every rank.

import type { Collective } from "../allreduce/collective.ts";
import type { Bucket, LayoutEntry } from "../shard/layout.ts";
import type { Batch, Replica } from "./replica.ts";

export interface GradientStepOptions {
  readonly replica: Replica;
  readonly collective: Collective;
  readonly buckets: readonly Bucket[];
  /** This rank's slice of the global batch; undefined if the batch had fewer samples than there are ranks. */
  readonly batch: Batch | undefined;
  readonly step: number;
  /** Nonzero asks all ranks to stop after this step. */
  readonly stopVote: number;
  readonly hyper: Float32Array;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Equal on all ranks, bit for bit. */
export interface GradientStepOutcome {
  readonly samples: number;
  /** Mean over the global batch. */
  readonly loss: number;
  readonly correct: number;
  readonly stopVotes: number;
}

export async function gradientStep(options: GradientStepOptions): Promise<GradientStepOutcome> {
  const { replica, collective, buckets, batch, step, timeoutMs, signal } = options;
  const round = collective.begin({ step, weight: batch?.count ?? 0, timeoutMs, signal });
  const gradients = await replica.read("gradients");
  const push = (bucket: number) => {
    const { begin, end } = buckets[bucket]!;
    round.push(bucket, gradients.subarray(begin, end));
  };

  let sums = { loss: 0, correct: 0 };
  if (batch) {
    const { gradientReadyAt } = await replica.training(batch.count);
    const due = bucketsByInstruction(buckets, replica.parameters.entries, gradientReadyAt);
    sums = await replica.runTraining(batch, { onInstruction: (index) => due.get(index)?.forEach(push) });
  } else {
    gradients.fill(0);
    buckets.forEach((_, bucket) => push(bucket));
  }

  const scalars = Float64Array.of(sums.loss, sums.correct, options.stopVote);
  const mean = await round.finish(scalars, gradients);
  await replica.applyUpdate(options.hyper);
  const [loss, correct, stopVotes] = mean.scalars as unknown as [number, number, number];
  return { samples: mean.weight, loss: loss / mean.weight, correct, stopVotes };
}

/** Which buckets are complete after which instruction: a bucket waits for the last of its parameters. */
function bucketsByInstruction(
  buckets: readonly Bucket[],
  entries: readonly LayoutEntry[],
  readyAt: readonly number[],
): Map<number, number[]> {
  const due = new Map<number, number[]>();
  buckets.forEach(({ begin, end }, bucket) => {
    const last = Math.max(
      ...readyAt.filter((_, i) => entries[i]!.offset >= begin && entries[i]!.offset < end),
    );
    due.set(last, [...(due.get(last) ?? []), bucket]);
  });
  return due;
}
