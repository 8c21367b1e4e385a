// The life of a worker: step after step until all ranks decide, from the same bytes, to stop.

import type { Algorithm, ExchangeOutcome } from "../algorithms/algorithm.ts";
import { evaluateSlice } from "../algorithms/evaluate.ts";
import type { Replica } from "../algorithms/replica.ts";
import type { SampleSchedule } from "../algorithms/sample-schedule.ts";
import { OwnRows } from "../algorithms/own-rows.ts";
import { TrainingRows } from "../algorithms/training-rows.ts";
import type { Collective } from "../allreduce/collective.ts";
import { parseAugment } from "../data/augment.ts";
import type { Dataset } from "../data/dataset.ts";
import type { RowStream } from "../data/row-stream.ts";
import { countsAnswers } from "../models/build.ts";
import { hyperAt, type Optimizer } from "../optim/optimizer.ts";
import type { EpochMetrics, RunManifest, StopReason } from "../run/records.ts";
import type { Cursor } from "./cursor.ts";
import type { RowParts } from "./equipment.ts";
import { decisionOf, type Resize, type StopVote, voteFor } from "./stop-vote.ts";
import { earlyEnd, isValidated, noteValidation } from "./early-stop.ts";
import { Exhausted } from "./relay.ts";
import type { WorkMeter } from "./work-meter.ts";

export interface TrainLoopOptions {
  readonly manifest: RunManifest;
  readonly replica: Replica;
  readonly optimizer: Optimizer;
  readonly algorithm: Algorithm;
  readonly collective: Collective;
  readonly schedule: SampleSchedule;
  /** The rows that the schedule speaks of. */
  readonly train: Dataset | RowStream;
  /** Where a step is over all of them. */
  readonly parts: RowParts | undefined;
  /** This rank's part of the validation split; may be empty. */
  readonly validation: Dataset;
  /** Advanced in place, so that heartbeats see it. */
  readonly cursor: Cursor;
  readonly meter: WorkMeter;
  /** An earlier start of this rank may have come further: what it did is taken from what all were told. */
  readonly replays: boolean;
  /** Called where `replays` ends, before this rank first sends what nobody has sent for it as far as it sees. */
  readonly onLevel: () => Promise<void>;
  /** Ends a wait for peers; its reason is then thrown. */
  readonly signal: AbortSignal;
  /** Why this rank would end after the exchange of `step`; all do if one would. */
  readonly vote: (step: number) => StopVote | Resize | undefined;
  /** Called after every step, with what all ranks know by it if it ended in an exchange. */
  readonly onStep: (outcome: ExchangeOutcome | undefined) => void;
  /** Called on every rank, with what all know of the epoch. */
  readonly onEpoch: (metrics: EpochMetrics) => Promise<void>;
  /** Makes the state at the cursor durable; called on every rank at the same steps. */
  readonly onCheckpoint: () => Promise<void>;
  /** Asked where the state could be handed over, after one exchange at least; true ends the loop. */
  readonly handsOver: (stepsLeft: number) => boolean;
}

/** Losses kept, to compare runs step by step. */
const FIRST_LOSSES = 20;

/** `interrupted`: inside the step at the cursor, which it waited for until it was exhausted. */
export async function trainLoop(
  options: TrainLoopOptions,
): Promise<StopReason | Resize | "handed-over" | "interrupted"> {
  const { manifest, replica, optimizer, algorithm, collective, schedule, cursor } = options;
  const { epochs } = manifest.config;
  const totalSteps = epochs * schedule.stepsPerEpoch;
  const batches = options.parts === undefined ? trainingRows(options) : undefined;
  const rows = options.parts && ownRows(options, options.parts);
  const endsEarly = () => earlyEnd(manifest.config, cursor);
  // Whoever begins at a checkpoint knows that it is durable.
  let durableStep = cursor.checkpointStep;
  let { replays } = options;
  let mayHandOver = false;

  if (cursor.decided !== null) return cursor.decided;
  // A resumed run may have nothing left to do but to write its model.
  while (cursor.step < totalSteps && endsEarly() === undefined) {
    if (mayHandOver && options.handsOver(totalSteps - cursor.step)) return "handed-over";
    const step = cursor.step;
    const hyper = hyperAt(optimizer, step, totalSteps, schedule.stepsPerEpoch);
    const replayed = replays
      ? await algorithm.replay?.({ step, hyper, weight: weightOf(schedule, step) })
      : undefined;
    if (replays && replayed === undefined) await options.onLevel();
    replays = replayed !== undefined;
    const stopVote = voteFor(options.vote(step));
    const batch = replays ? undefined : await batches?.read(step, replica.wantsTargets);
    const outcome =
      replayed ?? (await algorithm.step({ step, batch, rows, stopVote, hyper }).catch(interrupted));
    if (outcome === "interrupted") return outcome;
    cursor.step++;
    mayHandOver = outcome !== undefined;
    if (outcome !== undefined) count(cursor, outcome);
    options.onStep(outcome);
    if (outcome === undefined) continue;

    const epochIsOver = cursor.step % schedule.stepsPerEpoch === 0;
    const { gradientNorm = null } = outcome;
    if (epochIsOver) replays = await finishEpoch(options, { totalSteps, replays, gradientNorm });
    // Whoever finished this exchange knows that all had made their last checkpoint durable before they sent their part.
    await collective.sweep(step, durableStep);
    cursor.sweptStep = durableStep;
    const decision = decisionOf(outcome.stopVotes);
    const isDone = cursor.step === totalSteps || endsEarly() !== undefined;
    cursor.decided = typeof decision === "object" && isDone ? null : (decision ?? null);
    if (epochIsOver || cursor.decided || cursor.exchanges >= manifest.frames.checkpointEvery) {
      cursor.exchanges = 0;
      cursor.checkpointStep = step;
      await options.onCheckpoint();
    }
    durableStep = cursor.checkpointStep;
    if (cursor.decided) return cursor.decided;
  }
  if (replays) await options.onLevel();
  // Whoever dies now begins at the last checkpoint, if all have made it durable: that is what one more round tells.
  const round = { step: cursor.step / schedule.stepsPerEpoch, weight: 1 };
  const { roundTimeoutMs: timeoutMs } = manifest.config;
  await collective.reduceScalars({ ...round, timeoutMs, signal: options.signal }, new Float64Array(0));
  await collective.sweep(cursor.step + 1, cursor.step - 1);
  return endsEarly() ?? "epochs-done";
}

function interrupted(error: unknown): "interrupted" {
  if (error instanceof Exhausted) return "interrupted";
  throw error;
}

function count(cursor: Cursor, outcome: ExchangeOutcome): void {
  const { samples, loss, correct, skipped, converged = false, residuals = null } = outcome;
  cursor.epochSamples += samples;
  cursor.epochLoss += loss * samples;
  cursor.epochCorrect += correct;
  if (skipped !== undefined) cursor.epochSkipped = (cursor.epochSkipped ?? 0) + Number(skipped);
  cursor.exchanges++;
  cursor.converged = converged;
  cursor.residuals = residuals;
  if (cursor.firstLosses.length < FIRST_LOSSES) cursor.firstLosses.push(loss);
}

function weightOf(schedule: SampleSchedule, step: number): number {
  const { begin, end } = schedule.position(step);
  return end - begin;
}

/** What training sees of the rows: smoothed targets, and images that change from epoch to epoch. */
function trainingRows({ train, manifest, schedule }: TrainLoopOptions): TrainingRows {
  const { labelSmoothing, augment, seed } = manifest.config;
  return new TrainingRows(train, schedule, {
    ...{ targetSmoothing: labelSmoothing, firstRow: schedule.rows.begin },
    augment: augment === undefined ? undefined : { augmentation: parseAugment(augment), seed },
  });
}

/** undefined if it has none. */
function ownRows(
  { train, manifest, schedule, replica }: TrainLoopOptions,
  parts: RowParts,
): OwnRows | undefined {
  const { begin: firstRow, end } = schedule.rows;
  if (firstRow === end) return undefined;
  return new OwnRows(train, end - firstRow, {
    ...{ ...parts, firstRow, asTargets: replica.wantsTargets },
    targetSmoothing: manifest.config.labelSmoothing,
  });
}

interface EpochEnd {
  readonly totalSteps: number;
  readonly replays: boolean;
  readonly gradientNorm: number | null;
}

/**
 * Validates on this rank's part where it is time, adds the ranks' sums, and starts the next epoch's sums at zero. Replays that if it
 * `replays` and an earlier start had done it: tells whether.
 */
async function finishEpoch(
  options: TrainLoopOptions,
  { totalSteps, replays, gradientNorm }: EpochEnd,
): Promise<boolean> {
  const { manifest, collective, schedule, validation, cursor, meter, optimizer, signal } = options;
  const { workers, roundTimeoutMs: timeoutMs } = manifest.config;
  const epoch = cursor.step / schedule.stepsPerEpoch;
  const round = { step: epoch - 1, weight: validation.count, timeoutMs, signal };
  const replayed = replays ? await collective.replayScalars(round) : undefined;
  if (replays && replayed === undefined) await options.onLevel();
  const validates = isValidated(epoch, manifest.config);
  const own =
    replayed || !validates
      ? { loss: 0, correct: 0 }
      : await evaluateSlice(options.replica, validation, {
          ...{ begin: 0, end: validation.count },
          batchSize: options.replica.evaluationCount(schedule.largestShare),
        });
  const parts = { ...own, ...meter.lap(), elapsedMs: meter.lapStart.wallMs };
  const names = Object.keys(parts) as (keyof typeof parts)[];
  const { weight, scalars } =
    replayed ??
    (await collective.reduceScalars(
      round,
      Float64Array.from(names, (name) => parts[name]),
    ));
  const sum = Object.fromEntries(names.map((name, i) => [name, scalars[i]])) as typeof parts;
  const counted = countsAnswers(manifest.loss);
  const validated = {
    validationLoss: validates ? sum.loss / weight : null,
    accuracy: validates && counted ? sum.correct / weight : null,
  };
  noteValidation(cursor, { epoch, ...validated }, manifest.config.bestBy);
  const metrics: EpochMetrics = {
    epoch,
    step: cursor.step,
    loss: cursor.epochLoss / cursor.epochSamples,
    trainAccuracy: counted ? cursor.epochCorrect / cursor.epochSamples : null,
    ...validated,
    ...(cursor.residuals && {
      primalResidual: cursor.residuals.primal,
      dualResidual: cursor.residuals.dual,
    }),
    ...(cursor.epochSkipped !== undefined && { skippedSteps: cursor.epochSkipped }),
    learningRate: hyperAt(optimizer, cursor.step - 1, totalSteps, schedule.stepsPerEpoch)[0]!,
    gradientNorm,
    samplesPerS: cursor.epochSamples / (sum.wallMs / workers / 1000),
    elapsedMs: sum.elapsedMs / workers,
    computeMs: sum.computeMs / workers,
    gpuBusyMs: sum.gpuBusyMs / workers,
    dataMs: sum.dataMs / workers,
    exchangeMs: sum.exchangeMs / workers,
    waitMs: sum.waitMs / workers,
    bytesUp: sum.bytesUp,
    bytesDown: sum.bytesDown,
    requests: sum.requests,
    requestsUsd: sum.requestsUsd,
  };
  cursor.epochLoss = cursor.epochCorrect = cursor.epochSamples = 0;
  if (cursor.epochSkipped !== undefined) cursor.epochSkipped = 0;
  await options.onEpoch(metrics);
  return replayed !== undefined;
}
