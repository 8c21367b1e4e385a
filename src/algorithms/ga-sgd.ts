// GA-SGD, gradient averaging at every step (LambdaML 2021, section 3.2.1; BSP): forward and backward over this rank's
// slice, each bucket sent as soon as its gradients are final, one mean for all, one optimiser update on every rank.

import { setImmediate } from "node:timers/promises";
import type { Collective } from "../allreduce/collective.ts";
import type { Bucket, LayoutEntry } from "../shard/layout.ts";
import type { Batch, Replica } from "./replica.ts";

export interface GradientStepOptions {
  readonly replica: Pick<Replica, "parameters" | "read" | "training" | "runTraining" | "applyUpdate">;
  readonly collective: Collective;
  /** The grid over the gradients and, in a last bucket behind them, statistics that are averaged as they are. */
  readonly buckets: readonly Bucket[];
  /** This rank's slice of the global batch; undefined if the batch had fewer samples than there are ranks. */
  readonly batch: Batch | undefined;
  readonly step: number;
  /** Nonzero asks all ranks to stop after this step. */
  readonly stopVote: number;
  readonly hyper: Float32Array;
  readonly timeoutMs: number;
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
  const { replica, collective, buckets, batch, step, timeoutMs } = options;
  const weight = batch?.count ?? 0;
  const round = collective.begin({ step, weight, timeoutMs });
  const gradients = await replica.read("gradients");
  const statistics = await replica.read("statistics");
  const push = (bucket: number) => {
    const { begin, end } = buckets[bucket]!;
    round.push(
      bucket,
      begin < gradients.length ? gradients.subarray(begin, end) : statistics.map((value) => value * weight),
    );
  };

  let sums = { loss: 0, correct: 0 };
  if (batch) {
    const { gradientReadyAt, lastInstruction } = await replica.training(batch.count);
    const due = bucketsByInstruction(buckets, replica.parameters.entries, gradientReadyAt, lastInstruction);
    const onInstruction = (index: number): void | Promise<void> => {
      const ready = due.get(index);
      if (!ready) return;
      ready.forEach(push);
      // A turn of the event loop: what was pushed is on its way while the backward pass goes on.
      return setImmediate();
    };
    sums = await replica.runTraining(batch, { onInstruction });
  } else {
    gradients.fill(0);
    buckets.forEach((_, bucket) => push(bucket));
  }

  const scalars = Float64Array.of(sums.loss, sums.correct, options.stopVote);
  // Without statistics the mean goes straight to where the update reads it.
  const mean = statistics.length === 0 ? gradients : new Float32Array(gradients.length + statistics.length);
  const result = await round.finish(scalars, mean);
  if (mean !== gradients) {
    gradients.set(mean.subarray(0, gradients.length));
    statistics.set(mean.subarray(gradients.length));
  }
  await replica.applyUpdate(options.hyper);
  const [loss, correct, stopVotes] = result.scalars as unknown as [number, number, number];
  return { samples: result.weight, loss: loss / result.weight, correct, stopVotes };
}

/** Which buckets are complete after which instruction: a bucket waits for the last of its parameters. */
function bucketsByInstruction(
  buckets: readonly Bucket[],
  entries: readonly LayoutEntry[],
  readyAt: readonly number[],
  lastInstruction: number,
): Map<number, number[]> {
  const due = new Map<number, number[]>();
  buckets.forEach(({ begin, end }, bucket) => {
    const own = readyAt.filter((_, i) => entries[i]!.offset >= begin && entries[i]!.offset < end);
    // Statistics are none of the parameters: they are complete when everything is.
    const last = own.length > 0 ? Math.max(...own) : lastInstruction;
    due.set(last, [...(due.get(last) ?? []), bucket]);
  });
  return due;
}
