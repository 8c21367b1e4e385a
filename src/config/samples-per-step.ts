// How many rows a step takes, over all workers together.

import type { TrainConfig } from "./schema.ts";

/** Algorithms whose step is one over all rows; each rank keeps its own on its device. */
const OVER_ALL_ROWS: ReadonlySet<string> = new Set(["admm", "em"]);

/** Whether every step, and so every epoch, takes all rows at once. */
export function takesAllRows({ algorithm }: { readonly algorithm: string }): boolean {
  return OVER_ALL_ROWS.has(algorithm);
}

/** `trainRows`: of the whole training split. */
export function samplesPerStep(
  config: Pick<TrainConfig, "algorithm" | "batchSize">,
  trainRows: number,
): number {
  return takesAllRows(config) ? trainRows : config.batchSize;
}
