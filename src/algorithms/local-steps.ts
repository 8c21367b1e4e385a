// Steps of a replica by itself: forward, backward and an update by the batch's own mean gradient, as many under way as its
// device takes.

import { buildLocalStepProgram } from "../graph/local-step.ts";
import type { Optimizer } from "../optim/optimizer.ts";
import type { Batch, BatchSums } from "./batch.ts";
import type { BatchRuns } from "./batch-runs.ts";
import { memoise } from "./memoise.ts";
import type { Compiled, ModelVectors } from "./model-vectors.ts";
import { buildTrainedModel, type TrainingJob } from "./training-memory.ts";
import type { Updates } from "./updates.ts";

/** The pass over the batch, and the update. */
const RUNS_OF_A_LOCAL_STEP = 2;

export interface LocalStepsOptions {
  readonly model: Omit<TrainingJob, "optimizer">;
  readonly vectors: ModelVectors;
  readonly runs: BatchRuns;
  readonly updates: Updates;
  /** The compiled forward and backward pass for so many samples. */
  readonly training: (count: number) => Promise<Compiled>;
}

export class LocalSteps {
  readonly #options: LocalStepsOptions;
  readonly #sparse = new Map<number, Promise<Compiled>>();

  constructor(options: LocalStepsOptions) {
    this.#options = options;
  }

  /** That may be under way at a time. */
  get underWay(): number {
    const { device } = this.#options.vectors;
    return Math.max(1, Math.floor(device.runsUnderWay / RUNS_OF_A_LOCAL_STEP));
  }

  /** As `Replica.startLocalStep`. */
  async start(batch: Batch, hyper: Float32Array): Promise<{ readonly sums: Promise<BatchSums> }> {
    const { model, vectors, runs, updates, training } = this.#options;
    if (model.topology.sparse && isPlainSgd(updates.optimizer)) return this.#startSparse(batch, hyper);
    const compiled = await training(batch.count);
    const update = await updates.prepareBySums();
    const sums = runs.train(compiled, batch);
    if (vectors.device.runsUnderWay === 1) await sums;
    const updated = update(batch.count, hyper);
    if (vectors.device.runsUnderWay === 1) await updated;
    return { sums: Promise.all([sums, updates.newest]).then(([sums]) => sums) };
  }

  /** As one program, whose update touches only the weights of features that the batch has. */
  async #startSparse(batch: Batch, hyper: Float32Array): Promise<{ readonly sums: Promise<BatchSums> }> {
    const { vectors, runs } = this.#options;
    const compiled = await memoise(this.#sparse, batch.count, () => {
      const model = buildTrainedModel(this.#options.model, batch.count);
      const results = { loss: model.loss!, correct: model.correct! };
      return vectors.compile(buildLocalStepProgram(model.graph, model.loss!, results));
    });
    const rate = hyper[0]! / batch.count;
    const { device } = vectors;
    device.write(compiled.vectors["input.rate"]!, 0, Float32Array.of(rate));
    const { "input.sgd": sgd } = compiled.vectors;
    if (sgd !== undefined) device.write(sgd, 0, Float32Array.of(rate, 0, 0, 0, 0, 0, 0, 0));
    const sums = runs.train(compiled, batch);
    if (device.runsUnderWay === 1) await sums;
    return { sums };
  }
}

/** Whether an update is p' = p - lr g, so that a gradient of few features changes no other weight. */
function isPlainSgd({ name, weightDecay, clipNorm, clipValue }: Optimizer): boolean {
  return name === "sgd" && weightDecay === 0 && clipNorm === undefined && clipValue === undefined;
}
