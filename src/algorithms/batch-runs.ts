// Runs of a compiled program on a batch: inputs in, sums over its samples out.

import type { ReadBack } from "../device/device.ts";
import { SltrainError, assert } from "../errors.ts";
import type { Batch, BatchSums } from "./batch.ts";
import { writeInputs, type InputsOf } from "./batch-inputs.ts";
import type { Compiled, ModelVectors, VectorReadBack } from "./model-vectors.ts";
import type { Updates } from "./updates.ts";

export interface BatchRunsOptions extends InputsOf {
  readonly seed: number;
  /** Whether training is told a number that the gradients are multiplied by. */
  readonly scalesLoss?: boolean;
}

export interface RunOptions {
  readonly readBacks?: readonly VectorReadBack[] | undefined;
  /** The batch is that of the last run of so many samples: nothing is copied to the device. */
  readonly sameInputs?: boolean | undefined;
}

export interface TrainOptions extends RunOptions {
  /** Of a replica that scales its loss: what the gradients are multiplied by. */
  readonly lossScale?: number | undefined;
}

export class BatchRuns {
  readonly #options: BatchRunsOptions;
  readonly #outputs: number;
  readonly #vectors: ModelVectors;
  readonly #updates: Updates;
  #trained = 0;

  /** `outputs` are the model's for one sample. */
  constructor(options: BatchRunsOptions, outputs: number, vectors: ModelVectors, updates: Updates) {
    this.#options = options;
    this.#outputs = outputs;
    this.#vectors = vectors;
    this.#updates = updates;
  }

  /** Since it was made, or reset. */
  get trained(): number {
    return this.#trained;
  }

  reset(): void {
    this.#trained = 0;
  }

  /** Forward and backward. Throws "loss-not-finite"; who runs the step knows its number and worker. */
  async train(
    compiled: Compiled,
    batch: Batch,
    { lossScale, ...options }: TrainOptions = {},
  ): Promise<BatchSums> {
    const { device, scalesLoss = false } = this.#options;
    assert(
      scalesLoss === (lossScale !== undefined),
      "a scale of the loss for a replica that has none, or none",
    );
    const scale = compiled.vectors["input.lossScale"];
    if (scale !== undefined) device.write(scale, 0, Float32Array.of(lossScale!));
    const sums = await this.run(compiled, batch, options);
    this.#trained++;
    if (Number.isFinite(sums.loss)) return sums;
    // Who runs the step names it too, but may be some steps ahead.
    throw new SltrainError({
      code: "loss-not-finite",
      message: `expected a finite loss, got ${sums.loss} in step ${batch.step}`,
      suggestions: [
        "Lower --lr, or check the data for extreme values.",
        ...(scalesLoss ? ["Or leave out --precision f16: an activation may be above 65504."] : []),
      ],
    });
  }

  async run(
    { step, vectors, lastInstruction }: Compiled,
    batch: Batch,
    { readBacks = [], sameInputs = false }: RunOptions = {},
  ): Promise<BatchSums> {
    const { device, seed } = this.#options;
    if (!sameInputs) writeInputs(this.#options, this.#outputs, vectors, batch);
    const counters = vectors["input.counters"];
    if (counters) device.write(counters, 0, Int32Array.of(batch.step, batch.sampleOffset, seed, 0));
    const sums = { loss: NaN, correct: NaN };
    const results = (["loss", "correct"] as const).map((name): ReadBack => {
      const vector = vectors[`result.${name}`]!;
      const ready = () => void (sums[name] = device.mirror(vector)[0]!);
      return { vector, begin: 0, end: 1, after: lastInstruction, ready };
    });
    const named = readBacks.map((readBack) => ({ ...readBack, vector: this.#vectors.get(readBack.vector) }));
    await Promise.all([step.run({ readBacks: [...named, ...results] }), this.#updates.newest]);
    return sums;
  }
}
