// How often a run exchanges, by its settings.

import type { TrainConfig } from "./schema.ts";

/** Whether ranks take steps of their own between exchanges, so that `syncEvery` counts. */
export function meetsNowAndThen({ algorithm }: Pick<TrainConfig, "algorithm">): boolean {
  return algorithm === "local-sgd" || algorithm === "diloco";
}

/** Steps from one exchange to the next; the last step of an epoch has one in any case. */
export function exchangeSteps(
  { algorithm, syncEvery }: Pick<TrainConfig, "algorithm" | "syncEvery">,
  stepsPerEpoch: number,
): number {
  if (!meetsNowAndThen({ algorithm })) return 1;
  return syncEvery === "epoch" ? stepsPerEpoch : Math.min(syncEvery, stepsPerEpoch);
}
