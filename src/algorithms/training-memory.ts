// What training needs of a function's memory, and what there is: pure functions of model, batch and data, which
// compile and allocate nothing. A kernel's scratch is not counted: it is small beside the arena.

import type { DataManifest } from "../data/manifest.ts";
import { loadBytes } from "../data/reader.ts";
import { SltrainError } from "../errors.ts";
import { buildInferenceProgram, buildTrainingProgram, type TrainingProgram } from "../graph/program.ts";
import { buildModel, type BuiltModel, type LossName } from "../models/build.ts";
import type { Topology } from "../models/topology.ts";
import { leastMemoryMiB } from "../plan/function-memory.ts";
import type { Optimizer } from "../optim/optimizer.ts";
import { buildUpdateProgram } from "../optim/update-program.ts";
import { formatBytes, formatCount } from "../units.ts";

export interface TrainingJob {
  readonly topology: Topology;
  readonly loss: LossName;
  readonly optimizer: Optimizer;
  /** See buildTrainingProgram. */
  readonly scalesLoss?: boolean;
  readonly labelSmoothing?: number | undefined;
  /** By class: what a sample's loss is multiplied by. */
  readonly classWeights?: readonly number[] | undefined;
}

export interface TrainingMemory {
  /** What the values within a step share. */
  readonly arenaBytes: number;
  /** Parameters, gradients, statistics, the optimiser's state, the batch and the results. */
  readonly vectorsBytes: number;
}

/** Training data may fill this share of a function's memory; a worker for whom it is too little loads only a part. */
const DATA_SHARE = 0.5;
/** Node itself with the bundle loaded, and the frames on their way. */
const RUNTIME_BYTES = 64 * 2 ** 20;
const ELEMENT_BYTES = 4;

/** The model of `count` samples as it is trained, with its loss. */
export function buildTrainedModel(
  { topology, loss, labelSmoothing, classWeights }: Omit<TrainingJob, "optimizer">,
  count: number,
): BuiltModel {
  const weighted = classWeights !== undefined;
  return buildModel(topology, count, { training: true, loss, labelSmoothing, weighted });
}

/** Forward and backward pass over `count` samples, with the results that a worker reports. */
export function buildTrainingStep(job: Omit<TrainingJob, "optimizer">, count: number): TrainingProgram {
  const model = buildTrainedModel(job, count);
  const results = { loss: model.loss!, correct: model.correct! };
  return buildTrainingProgram(model.graph, model.loss!, results, { scalesLoss: job.scalesLoss });
}

/** For steps of `count` samples on one worker. */
export function trainingMemory(job: TrainingJob, count: number): TrainingMemory {
  const { program, plan, parameters } = buildTrainingStep(job, count);
  const update = buildUpdateProgram(job.optimizer, parameters).program;
  const vectors = Object.values({ ...update.vectors, ...program.vectors });
  return {
    arenaBytes: plan.arenaElements * ELEMENT_BYTES,
    vectorsBytes: vectors.reduce((sum, elements) => sum + elements, 0) * ELEMENT_BYTES,
  };
}

/** Whether a function that trains on `part` samples at a time can keep the inputs of `count` on its device. */
export function keepsInputs(
  job: TrainingJob,
  { part, count }: { readonly part: number; readonly count: number },
  { memoryMiB, data }: FunctionShare,
): boolean {
  const { vectors } = buildTrainingStep(job, part).program;
  const inputs = Object.entries(vectors).filter(([name]) => name.startsWith("input."));
  const partBytes = inputs.reduce((sum, [, elements]) => sum + elements, 0) * ELEMENT_BYTES;
  const others = Math.ceil(count / part) - 1;
  const needBytes = totalBytes(trainingMemory(job, part)) + others * partBytes;
  return needBytes <= memoryShares(memoryMiB, data).trainingBytes;
}

/** Up to so many, samples are evaluated together. */
const MOST_EVALUATED = 250;

/** How many samples are evaluated in no more memory than training on `trainedCount` takes: that many at the least. */
export function evaluationCount(job: Omit<TrainingJob, "optimizer">, trainedCount: number): number {
  if (trainedCount >= MOST_EVALUATED) return MOST_EVALUATED;
  const training = buildTrainingStep(job, trainedCount);
  const limitBytes = arenaAndInputBytes(training);
  const fits = (count: number): boolean => {
    const { topology, loss } = job;
    const model = buildModel(topology, count, { training: false, loss });
    return (
      arenaAndInputBytes(
        buildInferenceProgram(model.graph, { loss: model.loss!, correct: model.correct! }),
      ) <= limitBytes
    );
  };
  if (fits(MOST_EVALUATED)) return MOST_EVALUATED;
  return Math.max(trainedCount, largestFitting(fits, MOST_EVALUATED));
}

function arenaAndInputBytes({ program, plan }: Pick<TrainingProgram, "program" | "plan">): number {
  return (plan.arenaElements + (program.vectors["input.x"] ?? 0)) * ELEMENT_BYTES;
}

/** How a function of `memoryMiB` divides its memory: bytes for training data at most, and what that leaves for training. */
export function memoryShares(
  memoryMiB: number,
  data: DataManifest,
): { readonly dataBytes: number; readonly trainingBytes: number } {
  const memoryBytes = memoryMiB * 2 ** 20;
  const dataBytes = memoryBytes * DATA_SHARE;
  const loaded = Math.min(loadBytes(data, "train"), dataBytes);
  return { dataBytes, trainingBytes: Math.max(0, memoryBytes - RUNTIME_BYTES - loaded) };
}

/** The most samples a step, below `tooMany`, that `limitBytes` hold; 0 if they hold none. */
export function largestCount(job: TrainingJob, limitBytes: number, tooMany: number): number {
  return largestFitting((count) => totalBytes(trainingMemory(job, count)) <= limitBytes, tooMany);
}

/** The largest count below `tooMany` that fits, 0 if none does; whatever is below one that fits, fits. */
export function largestFitting(fits: (count: number) => boolean, tooMany: number): number {
  let [largest, tooLarge] = [0, tooMany];
  while (tooLarge - largest > 1) {
    const count = Math.floor((largest + tooLarge) / 2);
    if (fits(count)) largest = count;
    else tooLarge = count;
  }
  return largest;
}

function totalBytes({ arenaBytes, vectorsBytes }: TrainingMemory): number {
  return arenaBytes + vectorsBytes;
}

/** What a worker has for training, and what for. */
export interface FunctionShare {
  readonly memoryMiB: number;
  readonly data: DataManifest;
  /** Whether a step is over all of the worker's rows, part by part, of which `count` is one: then nothing makes it smaller. */
  readonly takesAllRows?: boolean;
}

/**
 * Throws SltrainError "out-of-memory" if `count` samples need too much, naming need and limit, the largest count and the
 * memory that would do.
 */
export function refuseWithoutMemory(job: TrainingJob, count: number, share: FunctionShare): void {
  const { memoryMiB, data, takesAllRows = false } = share;
  const limitBytes = memoryShares(memoryMiB, data).trainingBytes;
  const need = trainingMemory(job, count);
  const needBytes = totalBytes(need);
  if (needBytes <= limitBytes) return;
  const largest = largestCount(job, limitBytes, count);
  const enoughMiB = leastMemoryMiB(memoryMiB, (more) => needBytes <= memoryShares(more, data).trainingBytes);
  const parts = `${formatBytes(need.arenaBytes)} of activations, ${formatBytes(need.vectorsBytes)} of parameters, state and batch`;
  throw new SltrainError({
    code: "out-of-memory",
    message:
      `${job.topology.name}: expected steps that fit the ${formatBytes(limitBytes)} which a function of ` +
      `${formatCount(memoryMiB)} MiB has for training, got ${formatCount(count)} samples ` +
      `${takesAllRows ? "at a time" : "per worker"}, which need ` +
      `${formatBytes(needBytes)} (${parts}); ` +
      (largest > 0 ? `at most ${formatCount(largest)} fit` : "not even one fits"),
    suggestions: [
      ...(largest > 0 && !takesAllRows
        ? [
            `Use at most ${formatCount(largest)} samples per worker: a smaller --batch-size, or more --workers.`,
          ]
        : []),
      enoughMiB === undefined
        ? "Use a smaller model: no function has so much memory."
        : `Give functions more memory: --memory-mib ${enoughMiB}.`,
    ],
  });
}
