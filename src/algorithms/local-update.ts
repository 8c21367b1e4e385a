// One optimiser update of a replica from its own samples alone, which no other rank hears of.

import type { TrainedReplica } from "./algorithm.ts";
import type { Batch, BatchSums } from "./replica.ts";

/** Parameters, statistics and the optimiser's state change in place. Without a batch nothing does. */
export async function localUpdate(
  replica: TrainedReplica,
  batch: Batch | undefined,
  hyper: Float32Array,
): Promise<BatchSums> {
  if (batch === undefined) return { loss: 0, correct: 0 };
  const sums = await replica.runTraining(batch);
  const gradients = await replica.read("gradients");
  divide(gradients, batch.count);
  replica.write("gradients", gradients);
  await replica.applyUpdate(hyper);
  return sums;
}

function divide(values: Float32Array, divisor: number): void {
  for (let i = 0; i < values.length; i++) values[i]! /= divisor;
}
