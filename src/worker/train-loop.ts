// The life of a worker: step after step until all ranks decide, from the same bytes, to stop.

import { gradientStep, type GradientStepOutcome } from "../algorithms/ga-sgd.ts";
import { evaluateSlice } from "../algorithms/evaluate.ts";
import type { Replica } from "../algorithms/replica.ts";
import type { Collective } from "../allreduce/collective.ts";
import { BatchReader } from "../algorithms/batch-reader.ts";
import type { Dataset } from "../data/dataset.ts";
import { batchesPerEpoch, batchSlice, epochOrder, evenPart } from "../data/order.ts";
import { hyperAt, type Optimizer } from "../optim/optimizer.ts";
import type { EpochMetrics, RunManifest, StopReason } from "../run/records.ts";
import type { Bucket } from "../shard/layout.ts";
import type { Cursor } from "./checkpoint.ts";
import type { WorkMeter } from "./work-meter.ts";

export interface TrainLoopOptions {
  readonly manifest: RunManifest;
  readonly rank: number;
  readonly replica: Replica;
  readonly collective: Collective;
  readonly buckets: readonly Bucket[];
  readonly optimizer: Optimizer;
  readonly train: Dataset;
  readonly validation: Dataset;
  /** Advanced in place, so that heartbeats see it. */
  readonly cursor: Cursor;
  readonly meter: WorkMeter;
  readonly signal: AbortSignal;
  readonly stopRequested: () => boolean;
  /** Called after every step with what all ranks know of it. */
  readonly onStep: (outcome: GradientStepOutcome) => void;
  /** Called on every rank with the same metrics. */
  readonly onEpoch: (metrics: EpochMetrics) => Promise<void>;
  /** Makes the state at `cursor.step` durable; called on every rank at the same steps. */
  readonly onCheckpoint: () => Promise<void>;
}

export async function trainLoop(options: TrainLoopOptions): Promise<StopReason> {
  const { manifest, rank, replica, collective, buckets, optimizer, train, cursor, signal } = options;
  const {
    batchSize,
    epochs,
    seed,
    workers,
    roundTimeoutMs: timeoutMs,
    checkpointEverySteps,
  } = manifest.config;
  const stepsPerEpoch = batchesPerEpoch(train.count, batchSize);
  const reader = new BatchReader(train);
  let order: { epoch: number; indices: Uint32Array } = { epoch: -1, indices: new Uint32Array(0) };
  let durableStep = -1;

  while (cursor.step < epochs * stepsPerEpoch) {
    const step = cursor.step;
    const epoch = Math.floor(step / stepsPerEpoch);
    if (order.epoch !== epoch) order = { epoch, indices: epochOrder(train.count, seed, epoch) };
    const first = (step % stepsPerEpoch) * batchSize;
    const slice = batchSlice(train.count, batchSize, step % stepsPerEpoch, rank, workers);
    const outcome = await gradientStep({
      replica,
      collective,
      buckets,
      batch:
        slice.end > slice.begin
          ? {
              ...reader.read(order.indices, slice.begin, slice.end, replica.wantsTargets),
              step,
              sampleOffset: slice.begin - first,
            }
          : undefined,
      step,
      stopVote: options.stopRequested() ? 1 : 0,
      hyper: hyperAt(optimizer, step, epochs * stepsPerEpoch),
      timeoutMs,
      signal,
    });
    cursor.step = step + 1;
    cursor.epochSamples += outcome.samples;
    cursor.epochLoss += outcome.loss * outcome.samples;
    cursor.epochCorrect += outcome.correct;
    options.onStep(outcome);

    let reason: StopReason | undefined = outcome.stopVotes > 0 ? "stop-requested" : undefined;
    if (cursor.step % stepsPerEpoch === 0) {
      const metrics = await finishEpoch(options, epoch);
      const { targetAccuracy } = manifest.config;
      if (targetAccuracy !== undefined && (metrics.accuracy ?? 0) >= targetAccuracy)
        reason = "target-reached";
    }
    // Whoever finished this step knows that rank 0 had made its last checkpoint durable before it sent its part.
    await collective.sweep(step, durableStep);
    if (
      reason !== undefined ||
      cursor.step % stepsPerEpoch === 0 ||
      cursor.step % checkpointEverySteps === 0
    ) {
      await options.onCheckpoint();
      durableStep = cursor.step - 1;
    }
    if (reason !== undefined) return reason;
  }
  return "epochs-done";
}

/** Validates on this rank's share, adds the ranks' sums, and starts the next epoch's sums at zero. */
async function finishEpoch(options: TrainLoopOptions, epoch: number): Promise<EpochMetrics> {
  const { manifest, rank, replica, collective, validation, cursor, meter, optimizer, signal } = options;
  const { workers, roundTimeoutMs: timeoutMs, epochs } = manifest.config;
  const { begin, end } = evenPart(validation.count, rank, workers);
  const sums = await evaluateSlice(replica, validation, begin, end);
  const spent = meter.lap();
  const round = await collective.reduceScalars(
    { step: epoch, weight: end - begin, timeoutMs, signal },
    Float64Array.of(
      sums.loss,
      sums.correct,
      spent.computeMs,
      spent.exchangeMs,
      spent.waitMs,
      spent.bytesUp,
      spent.bytesDown,
      spent.requests,
      spent.wallMs,
      meter.elapsedMs,
    ),
  );
  const [loss, correct, computeMs, exchangeMs, waitMs, bytesUp, bytesDown, requests, wallMs, elapsedMs] = [
    ...round.scalars,
  ] as [number, number, number, number, number, number, number, number, number, number];
  const counted = manifest.loss !== "mean-squared-error";
  const metrics: EpochMetrics = {
    epoch: epoch + 1,
    step: cursor.step,
    loss: cursor.epochLoss / cursor.epochSamples,
    trainAccuracy: counted ? cursor.epochCorrect / cursor.epochSamples : null,
    validationLoss: loss / round.weight,
    accuracy: counted ? correct / round.weight : null,
    learningRate: hyperAt(
      optimizer,
      cursor.step - 1,
      epochs * batchesPerEpoch(options.train.count, manifest.config.batchSize),
    )[0]!,
    samplesPerS: cursor.epochSamples / (wallMs / workers / 1000),
    elapsedMs: elapsedMs / workers,
    computeMs: computeMs / workers,
    exchangeMs: exchangeMs / workers,
    waitMs: waitMs / workers,
    bytesUp,
    bytesDown,
    requests,
  };
  cursor.epochLoss = cursor.epochCorrect = cursor.epochSamples = 0;
  await options.onEpoch(metrics);
  return metrics;
}
