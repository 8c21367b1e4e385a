// The epoch whose model a run keeps beside its newest.

import type { EpochMetrics } from "./records.ts";

/** The first of the highest validation accuracy, else of the lowest validation loss; undefined of no epochs. */
export function bestEpoch(metrics: readonly EpochMetrics[]): EpochMetrics | undefined {
  const worth = ({ accuracy, validationLoss }: EpochMetrics): number => accuracy ?? -validationLoss;
  return metrics.reduce<EpochMetrics | undefined>(
    (best, epoch) => (best === undefined || worth(epoch) > worth(best) ? epoch : best),
    undefined,
  );
}
