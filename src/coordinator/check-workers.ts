// Whether there is something to do for each worker of a step.

import { samplesPerStep } from "../config/samples-per-step.ts";
import type { TrainConfig } from "../config/schema.ts";
import type { DataManifest } from "../data/manifest.ts";
import { SltrainError } from "../errors.ts";

/** Throws "too-many-workers". */
export function refuseTooManyWorkers(
  config: Pick<TrainConfig, "workers" | "batchSize" | "algorithm">,
  { counts: { train } }: DataManifest,
): void {
  const { workers } = config;
  const batchSize = samplesPerStep(config, train);
  if (workers <= Math.min(train, batchSize)) return;
  const [what, limit] = train <= batchSize ? ["training samples", train] : ["samples per batch", batchSize];
  throw new SltrainError({
    code: "too-many-workers",
    message: `--workers: expected at most one worker per sample, got ${workers} workers for ${limit} ${what}`,
    suggestions: [`Use --workers ${limit} or fewer, or a larger --batch-size.`],
  });
}
