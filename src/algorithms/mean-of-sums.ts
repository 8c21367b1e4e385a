// A round in which every rank has one flat vector of sums, parameters first and statistics behind them.

import type { RoundOptions, RoundResult } from "../allreduce/collective.ts";
import type { AlgorithmOptions } from "./algorithm.ts";

export interface OwnSums extends Pick<RoundOptions, "step" | "weight"> {
  /** Of parameters and statistics; the mean over all weights comes back into it. */
  readonly sums: Float32Array;
  readonly scalars: Float64Array;
}

/** Throws what the collective throws. */
export function meanOfSums(
  { collective, timeoutMs, signal }: Pick<AlgorithmOptions, "collective" | "timeoutMs" | "signal">,
  { step, weight, sums, scalars }: OwnSums,
): Promise<RoundResult> {
  const round = collective.begin({ step, weight, timeoutMs, signal });
  collective.buckets.forEach(({ begin, end }, bucket) => {
    round.push(bucket, sums.subarray(begin, end));
  });
  return round.finish(scalars, sums);
}
