// How often a run exchanges, by its settings.

import type { TrainConfig } from "./schema.ts";

/** Steps from one exchange to the next; the last step of an epoch has one in any case. */
export function exchangeSteps(
  { algorithm, syncEvery }: Pick<TrainConfig, "algorithm" | "syncEvery">,
  stepsPerEpoch: number,
): number {
  if (algorithm === "ga-sgd") return 1;
  return syncEvery === "epoch" ? stepsPerEpoch : Math.min(syncEvery, stepsPerEpoch);
}
