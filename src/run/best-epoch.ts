// The epoch whose model a run keeps beside its newest.

import type { TrainConfig } from "../config/schema.ts";
import type { EpochMetrics } from "./records.ts";

/** The more the better: validation accuracy where there is one, unless told to go by the loss; undefined if not validated. */
export function worthOf(
  { accuracy, validationLoss }: Pick<EpochMetrics, "accuracy" | "validationLoss">,
  by: TrainConfig["bestBy"],
): number | undefined {
  if (by !== "loss" && accuracy !== null) return accuracy;
  return validationLoss === null ? undefined : -validationLoss;
}

/** The first of the highest worth; undefined of no epochs that were validated. */
export function bestEpoch(
  metrics: readonly EpochMetrics[],
  by?: TrainConfig["bestBy"],
): EpochMetrics | undefined {
  const worth = (epoch: EpochMetrics): number => worthOf(epoch, by) ?? -Infinity;
  return metrics.reduce<EpochMetrics | undefined>(
    (best, epoch) => (worth(epoch) > (best === undefined ? -Infinity : worth(best)) ? epoch : best),
    undefined,
  );
}
