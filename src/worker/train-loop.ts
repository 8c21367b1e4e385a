// The life of a worker: step after step until all ranks decide, from the same bytes, to stop.

import type { Algorithm, ExchangeOutcome } from "../algorithms/algorithm.ts";
import { BatchReader } from "../algorithms/batch-reader.ts";
import { evaluateSlice } from "../algorithms/evaluate.ts";
import type { Batch, Replica } from "../algorithms/replica.ts";
import type { SampleSchedule } from "../algorithms/sample-schedule.ts";
import type { Collective } from "../allreduce/collective.ts";
import type { Dataset } from "../data/dataset.ts";
import { hyperAt, type Optimizer } from "../optim/optimizer.ts";
import type { EpochMetrics, RunManifest, StopReason } from "../run/records.ts";
import type { Cursor } from "./checkpoint.ts";
import type { WorkMeter } from "./work-meter.ts";

export interface TrainLoopOptions {
  readonly manifest: RunManifest;
  readonly replica: Replica;
  readonly optimizer: Optimizer;
  readonly algorithm: Algorithm;
  readonly collective: Collective;
  readonly schedule: SampleSchedule;
  /** The rows that the schedule speaks of. */
  readonly train: Dataset;
  /** This rank's part of the validation split; may be empty. */
  readonly validation: Dataset;
  /** Advanced in place, so that heartbeats see it. */
  readonly cursor: Cursor;
  /** Finished epochs; grows in place, equal on all ranks. */
  readonly metrics: EpochMetrics[];
  readonly meter: WorkMeter;
  readonly stopRequested: () => boolean;
  /** Called after every step, with what all ranks know by it if it ended in an exchange. */
  readonly onStep: (outcome: ExchangeOutcome | undefined) => void;
  /** Called on every rank after `metrics` has grown. */
  readonly onEpoch: () => Promise<void>;
  /** Makes the state at `cursor.step` durable; called on every rank at the same steps. */
  readonly onCheckpoint: () => Promise<void>;
}

export async function trainLoop(options: TrainLoopOptions): Promise<StopReason> {
  const { manifest, replica, optimizer, algorithm, collective, schedule, cursor, metrics } = options;
  const { epochs, targetAccuracy } = manifest.config;
  const totalSteps = epochs * schedule.stepsPerEpoch;
  const reader = new BatchReader(options.train);
  const reached = () => targetAccuracy !== undefined && (metrics.at(-1)?.accuracy ?? 0) >= targetAccuracy;
  let exchangesSinceCheckpoint = 0;
  let durableStep = -1;

  // A resumed run may have nothing left to do but to write its model.
  while (cursor.step < totalSteps && !reached()) {
    const step = cursor.step;
    const outcome = await algorithm.step({
      step,
      batch: readBatch(reader, schedule, replica, step),
      stopVote: options.stopRequested() ? 1 : 0,
      hyper: hyperAt(optimizer, step, totalSteps),
    });
    cursor.step++;
    options.onStep(outcome);
    if (outcome === undefined) continue;
    cursor.epochSamples += outcome.samples;
    cursor.epochLoss += outcome.loss * outcome.samples;
    cursor.epochCorrect += outcome.correct;

    const epochIsOver = cursor.step % schedule.stepsPerEpoch === 0;
    if (epochIsOver) await finishEpoch(options, totalSteps);
    // Whoever finished this exchange knows that all had made their last checkpoint durable before they sent their part.
    await collective.sweep(step, durableStep);
    const stopped = outcome.stopVotes > 0;
    exchangesSinceCheckpoint++;
    if (epochIsOver || stopped || exchangesSinceCheckpoint >= manifest.frames.checkpointEvery) {
      await options.onCheckpoint();
      durableStep = step;
      exchangesSinceCheckpoint = 0;
    }
    if (stopped) return "stop-requested";
  }
  // The last epoch's sums came from all ranks: none of them needs a gradient's frame any more.
  await collective.sweep(cursor.step + 1, cursor.step - 1);
  return reached() ? "target-reached" : "epochs-done";
}

/** This rank's share of the step's batch; undefined if it has none. */
function readBatch(
  reader: BatchReader,
  schedule: SampleSchedule,
  replica: Replica,
  step: number,
): Batch | undefined {
  const { order, begin, end, sampleOffset } = schedule.share(step);
  if (begin === end) return undefined;
  return { ...reader.read(order, begin, end, replica.wantsTargets), step, sampleOffset };
}

/** Validates on this rank's part, adds the ranks' sums, and starts the next epoch's sums at zero. */
async function finishEpoch(options: TrainLoopOptions, totalSteps: number): Promise<void> {
  const { manifest, replica, collective, validation, cursor, metrics, meter, optimizer } = options;
  const { workers, roundTimeoutMs: timeoutMs } = manifest.config;
  const own = await evaluateSlice(replica, validation, 0, validation.count);
  const spent = meter.lap();
  const parts = { ...own, ...spent, elapsedMs: meter.elapsedMs };
  const names = Object.keys(parts) as (keyof typeof parts)[];
  const round = await collective.reduceScalars(
    { step: metrics.length, weight: validation.count, timeoutMs },
    Float64Array.from(names, (name) => parts[name]),
  );
  const sum = Object.fromEntries(names.map((name, i) => [name, round.scalars[i]])) as typeof parts;
  const counted = manifest.loss !== "mean-squared-error";
  metrics.push({
    epoch: metrics.length + 1,
    step: cursor.step,
    loss: cursor.epochLoss / cursor.epochSamples,
    trainAccuracy: counted ? cursor.epochCorrect / cursor.epochSamples : null,
    validationLoss: sum.loss / round.weight,
    accuracy: counted ? sum.correct / round.weight : null,
    learningRate: hyperAt(optimizer, cursor.step - 1, totalSteps)[0]!,
    samplesPerS: cursor.epochSamples / (sum.wallMs / workers / 1000),
    elapsedMs: sum.elapsedMs / workers,
    computeMs: sum.computeMs / workers,
    exchangeMs: sum.exchangeMs / workers,
    waitMs: sum.waitMs / workers,
    bytesUp: sum.bytesUp,
    bytesDown: sum.bytesDown,
    requests: sum.requests,
    requestsUsd: sum.requestsUsd,
  });
  cursor.epochLoss = cursor.epochCorrect = cursor.epochSamples = 0;
  await options.onEpoch();
}
