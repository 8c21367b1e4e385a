// Whether a budget or a deadline leaves room for an epoch: a run that stops before the first has no model worth its price.

import type { TrainingJob } from "../algorithms/training-memory.ts";
import { parseDeadline } from "../config/deadline.ts";
import { samplesPerStep } from "../config/samples-per-step.ts";
import { batchesPerEpoch } from "../data/order.ts";
import { SltrainError } from "../errors.ts";
import { runCost } from "../plan/run-cost.ts";
import type { RunManifest } from "../run/records.ts";
import { REQUEST_PRICES, type RequestPrices } from "../storage/prices.ts";
import { formatDuration, formatUsd } from "../units.ts";
import { measurePassMs, usableVcpus } from "./check-function.ts";
import { lambdaEstimate } from "./lambda-estimate.ts";

/**
 * An epoch costs at the least what its computation does, on this machine's cores, and at S3 its requests. Throws
 * "deadline-too-soon" or "budget-too-small", naming that. Measures a step, if there is a limit. `prices`: the channel's.
 */
export async function checkLimits(
  manifest: RunManifest,
  job: TrainingJob,
  prices: RequestPrices | undefined,
): Promise<void> {
  const { config, data } = manifest;
  const { budgetUsd, deadline, workers, memoryMiB } = config;
  // The processor's pace says nothing of a GPU's.
  if ((budgetUsd === undefined && deadline === undefined) || config.device === "webgpu") return;
  const steps = batchesPerEpoch(data.counts.train, samplesPerStep(config, data.counts.train));
  const stepMs = await measurePassMs(config, data, job);
  const epochMs = (steps * stepMs) / usableVcpus(config, memoryMiB);
  const now = new Date();
  const leftMs = deadline === undefined ? Infinity : parseDeadline(deadline, now).getTime() - now.getTime();
  // One that is past is told as such.
  if (leftMs > 0 && leftMs < epochMs) {
    throw new SltrainError({
      code: "deadline-too-soon",
      message: `--deadline: expected time for an epoch, which takes ${formatDuration(epochMs)} to compute at the least, got ${formatDuration(leftMs)}`,
      suggestions: ["Give a later one, more --workers, or functions with more memory."],
    });
  }
  const use = { billedMs: epochMs, memoryMiB, architecture: "arm64", requestsUsd: 0 } as const;
  const epochUsd =
    prices === REQUEST_PRICES.s3
      ? lambdaEstimate(manifest)({ wallMs: epochMs, steps, epochs: 1 })
      : workers * runCost([use], []).total;
  if (budgetUsd !== undefined && budgetUsd < epochUsd) {
    throw new SltrainError({
      code: "budget-too-small",
      message: `--budget-usd: expected enough for an epoch, which costs about ${formatUsd(epochUsd)}, got ${formatUsd(budgetUsd)}`,
      suggestions: [
        `Use --budget-usd ${Number((2 * epochUsd).toPrecision(1))} or more.`,
        ...(prices === undefined
          ? []
          : ["Or exchange less often: --algorithm local-sgd --sync-every epoch."]),
      ],
    });
  }
}
