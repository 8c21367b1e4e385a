// GA-SGD, gradient averaging at every step (LambdaML 2021, section 3.2.1; BSP): forward and backward over this rank's
// slice, each bucket sent as soon as its gradients are final, one mean for all, one optimiser update on every rank. Where
// the loss is scaled, a step in which a rank's gradients overflowed is one without an update.

import { setImmediate } from "node:timers/promises";
import type { RoundResult } from "../allreduce/collective.ts";
import { ENCODED_GRADIENTS } from "../graph/encode-gradients.ts";
import type { ElementRange, Layout } from "../shard/layout.ts";
import {
  type Algorithm,
  type AlgorithmOptions,
  type ExchangeOutcome,
  outcomeOf,
  type ReplayedStep,
  scalarsOf,
  type TrainedReplica,
  type TrainingStep,
  vectorsOf,
} from "./algorithm.ts";
import { bucketReadBacks, decodeWords, EncodedGradients, piecesIn } from "./encoded-gradients.ts";

/** In the round's scalars, where the loss is scaled: on how many ranks gradients were not finite. */
const OVERFLOWS = 3;

/** The collective averages the gradients and, behind them, statistics, which are averaged as they are. */
export function gaSgd(options: AlgorithmOptions): Algorithm {
  const { replica, collective, optimizerState, lossScale } = options;
  const encoded = new EncodedGradients(collective, replica, { scaled: lossScale !== undefined });
  return {
    step: (step) => gradientStep({ ...options, encoded }, step),
    replay: (step) => replayedStep(options, step),
    async state() {
      await encoded.keepResiduals();
      return {
        shared: {
          ...(await vectorsOf(replica, ["parameters", "statistics", ...optimizerState])),
          ...lossScale?.state,
        },
        own: {},
      };
    },
    restore: ({ shared }) => {
      encoded.residualsChanged();
      const vectors = lossScale ? lossScale.restore(shared) : shared;
      for (const [name, values] of Object.entries(vectors)) replica.write(name, values);
    },
  };
}

async function gradientStep(
  { encoded, ...options }: AlgorithmOptions & { readonly encoded: EncodedGradients },
  { step, batch, hyper, stopVote }: TrainingStep,
): Promise<ExchangeOutcome> {
  const { replica, collective, lossScale, timeoutMs, signal } = options;
  const { buckets } = collective;
  const weight = batch?.count ?? 0;
  const round = collective.begin({ step, weight, timeoutMs, signal });
  const gradients = replica.mirror("gradients");
  const statistics = batch ? replica.mirror("statistics") : await replica.read("statistics");
  const push = (bucket: number, words?: Float32Array) => {
    const { begin, end } = buckets[bucket]!;
    if (end <= gradients.length) {
      round.push(bucket, gradients.subarray(begin, end), words?.subarray(begin, end));
      return;
    }
    const sums = new Float32Array(end - begin);
    if (begin < gradients.length) sums.set(gradients.subarray(begin));
    sums.set(
      statistics.map((value) => value * weight),
      gradients.length - begin,
    );
    round.push(bucket, sums);
  };

  let sums = { loss: 0, correct: 0 };
  let overflows = 0;
  if (batch) {
    const training = await replica.training(batch.count, encoded);
    const { gradientReadyAt, lastInstruction, encodes } = training;
    if (encodes) encoded.begin(step);
    const readyAt = bucketsReadyAt(buckets, replica.parameters, gradientReadyAt, lastInstruction);
    const words = encodes ? replica.mirror(ENCODED_GRADIENTS) : undefined;
    const readBacks = buckets.flatMap(({ begin, end }, bucket) => {
      const range = { begin: Math.min(begin, gradients.length), end: Math.min(end, gradients.length) };
      const pieces = encodes ? piecesIn(encoded.pieces, range) : [];
      const ready = () => {
        if (lossScale) {
          if (words) decodeWords(words, pieces, gradients);
          // To divide by a power of two and to round commute.
          if (!lossScale.unscale(gradients.subarray(begin, end))) overflows = 1;
        }
        push(bucket, lossScale ? undefined : words);
        // A turn of the event loop: what was pushed is on its way while the backward pass goes on.
        return setImmediate();
      };
      return bucketReadBacks(range, pieces, { after: readyAt[bucket]!, ready });
    });
    const allStatistics = { vector: "statistics", after: lastInstruction, begin: 0, end: statistics.length };
    const options = { pieces: encoded.pieces, lossScale: lossScale?.scale };
    sums = await replica.runTraining(batch, [allStatistics, ...readBacks], options);
  } else {
    gradients.fill(0);
    await encoded.keepResiduals();
    encoded.residualsChanged();
    buckets.forEach((_, bucket) => push(bucket));
  }

  const mean = meanOf(gradients, statistics);
  const result = await round.finish(scalarsOf(sums, stopVote, ...(lossScale ? [overflows] : [])), mean);
  return takeStep(options, { step, hyper, result, mean, gradients, statistics });
}

async function replayedStep(
  options: AlgorithmOptions,
  { step, hyper, weight }: ReplayedStep,
): Promise<ExchangeOutcome | undefined> {
  const { replica, collective, timeoutMs, signal } = options;
  const gradients = replica.mirror("gradients");
  const statistics = replica.mirror("statistics");
  const mean = meanOf(gradients, statistics);
  const result = await collective.replay({ step, weight, timeoutMs, signal }, mean);
  if (result === undefined) return undefined;
  return takeStep(options, { step, hyper, result, mean, gradients, statistics });
}

/** What a round told, and where it is to go. */
interface Told extends Pick<TrainingStep, "step" | "hyper"> {
  readonly result: RoundResult;
  readonly mean: Float32Array;
  readonly gradients: Float32Array;
  readonly statistics: Float32Array;
}

async function takeStep(
  options: AlgorithmOptions,
  { step, hyper, result, mean, gradients, statistics }: Told,
): Promise<ExchangeOutcome> {
  takeMean(options.replica, mean, gradients, statistics);
  const endsEpoch = (step + 1) % options.stepsPerEpoch === 0;
  const told = endsEpoch ? { gradientNorm: euclideanNorm(gradients) } : {};
  const skipped = await update(options, result.scalars, hyper);
  return { ...outcomeOf(result), ...told, ...(options.lossScale && { skipped }) };
}

function euclideanNorm(values: Float32Array): number {
  let squares = 0;
  for (const value of values) squares += value * value;
  return Math.sqrt(squares);
}

/**
 * By the mean gradients, unless `scalars` tell of an overflow: whether it was skipped. Statistics, which are of the forward pass, have been taken
 * all the same, and the optimiser's corrections count the step: both are as good as after one with small gradients.
 */
async function update(
  { replica, lossScale }: AlgorithmOptions,
  scalars: Float64Array,
  hyper: Float32Array,
): Promise<boolean> {
  const overflows = lossScale ? scalars[OVERFLOWS]! : 0;
  lossScale?.follow(overflows);
  if (overflows === 0) await replica.applyUpdate(hyper);
  return overflows > 0;
}

/** Where the mean of both is written: without statistics straight to where the update reads it. */
function meanOf(gradients: Float32Array, statistics: Float32Array): Float32Array {
  return statistics.length === 0 ? gradients : new Float32Array(gradients.length + statistics.length);
}

function takeMean(
  replica: Pick<TrainedReplica, "write">,
  mean: Float32Array,
  gradients: Float32Array,
  statistics: Float32Array,
): void {
  if (mean !== gradients) {
    gradients.set(mean.subarray(0, gradients.length));
    statistics.set(mean.subarray(gradients.length));
    replica.write("statistics", statistics);
  }
  replica.write("gradients", gradients);
}

/** By bucket: the instruction after which it is complete, which is that of the last of its parameters. */
function bucketsReadyAt(
  buckets: readonly ElementRange[],
  { entries, length }: Layout,
  gradientReadyAt: readonly number[],
  lastInstruction: number,
): readonly number[] {
  return buckets.map(({ begin, end }) => {
    const own = gradientReadyAt.filter((_, i) => entries[i]!.offset >= begin && entries[i]!.offset < end);
    // Statistics are none of the parameters: they are complete when everything is.
    const withStatistics = own.length === 0 || end > length;
    return withStatistics ? lastInstruction : Math.max(...own);
  });
}
