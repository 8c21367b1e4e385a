// `--workers 4..16`: a run that takes as many functions as can be had, as Cirrus's workers come and go (Carreira et al.
// 2019, section 4).

import type { TrainConfig } from "./schema.ts";

const RANGE = /^(\d+)\.\.(\d+)$/;

/** Both settings that a range stands for; undefined if it is none. */
export function workerRange(
  value: unknown,
): Required<Pick<TrainConfig, "minWorkers" | "workers">> | undefined {
  const [, least, most] = (typeof value === "string" && RANGE.exec(value.trim())) || [];
  return least === undefined ? undefined : { minWorkers: Number(least), workers: Number(most) };
}
