// Loss and accuracy of a replica over a data set, in batches small enough for a function's memory.

import type { Dataset } from "../data/dataset.ts";
import { BatchReader } from "./batch-reader.ts";
import type { BatchSums } from "./batch.ts";
import type { Replica } from "./replica.ts";

export interface EvaluatedSlice {
  readonly begin: number;
  readonly end: number;
  /** Samples at a time: what the function's memory holds. */
  readonly batchSize: number;
}

/** Sums over samples [begin, end) of `dataset`. Gives way to the event loop between batches. */
export async function evaluateSlice(
  replica: Replica,
  dataset: Dataset,
  { begin, end, batchSize }: EvaluatedSlice,
): Promise<BatchSums> {
  const reader = new BatchReader(dataset);
  const inOrder = Uint32Array.from({ length: end - begin }, (_, i) => begin + i);
  let loss = 0;
  let correct = 0;
  for (let first = 0; first < inOrder.length; first += batchSize) {
    const batch = reader.read(
      inOrder,
      first,
      Math.min(first + batchSize, inOrder.length),
      replica.wantsTargets,
    );
    const sums = await replica.runEvaluation({ ...batch, step: 0, sampleOffset: 0 });
    loss += sums.loss;
    correct += sums.correct;
  }
  return { loss, correct };
}
