// One worker's copy of the model on its device: flat vectors for parameters, gradients and optimiser state, and one
// compiled program per batch size. It knows nothing of other workers.

import type { Device } from "../device/device.ts";
import { initializeInSlices, initializeParameters } from "../graph/initialize.ts";
import { layoutOf, type Parameter } from "../graph/graph.ts";
import { buildInferenceProgram } from "../graph/program.ts";
import { canEncode, type GradientPiece, withEncodedGradients } from "../graph/encode-gradients.ts";
import { elementCount } from "../kernels/tensor.ts";
import { buildModel, truthOf, type LossName } from "../models/build.ts";
import { tensorsInto, tensorsOf, type NamedTensor, type Safetensors } from "../models/safetensors.ts";
import type { Topology } from "../models/topology.ts";
import type { Optimizer } from "../optim/optimizer.ts";
import type { Layout } from "../shard/layout.ts";
import type { Batch, BatchSums } from "./batch.ts";
import { writeSamples } from "./batch-inputs.ts";
import { BatchRuns, type TrainOptions } from "./batch-runs.ts";
import { LocalSteps } from "./local-steps.ts";
import { memoise } from "./memoise.ts";
import { ModelVectors, type Compiled, type VectorReadBack } from "./model-vectors.ts";
import { NextToken } from "./next-token.ts";
import { buildTrainingStep, evaluationCount } from "./training-memory.ts";
import { Updates } from "./updates.ts";

export interface CompiledTraining extends Compiled {
  /** By parameter: index of the instruction after which its gradient is final, and encoded where it is to be. */
  readonly gradientReadyAt: readonly number[];
  /** Whether it also leaves the pieces in `ENCODED_GRADIENTS`. */
  readonly encodes: boolean;
}

export interface ReplicaOptions {
  readonly device: Device;
  readonly topology: Topology;
  readonly loss: LossName;
  readonly seed: number;
  /** `empty`: all zeros until it is `reset`, or loaded; making the values of a large model takes tens of seconds. */
  readonly begins?: "seeded" | "empty";
  /** Whether training is told a number that the gradients are multiplied by. */
  readonly scalesLoss?: boolean;
  /** As in TrainingJob: of training alone. */
  readonly labelSmoothing?: number | undefined;
  readonly classWeights?: readonly number[] | undefined;
}

export interface CompiledFor {
  /** Of the gradients, that the device encodes. */
  readonly pieces?: readonly GradientPiece[] | undefined;
  /** Which of several sets of inputs on the device; each keeps its samples. Default: the first. */
  readonly inputs?: number | undefined;
}

export interface RunTrainingOptions extends Omit<TrainOptions, "readBacks">, CompiledFor {}

const NO_PIECES: readonly GradientPiece[] = [];

export class Replica {
  readonly parameters: Layout;
  readonly statistics: Layout;
  /** Of what training leaves as it is: neither exchanged nor in checkpoints. */
  readonly frozen: Layout;
  readonly #options: ReplicaOptions;
  /** Of the model, for one sample. */
  readonly #outputs: number;
  /** By vector; all others begin with zeros. */
  readonly #initialised: Readonly<Record<string, readonly Parameter[]>>;
  readonly #vectors: ModelVectors;
  readonly #updates: Updates;
  readonly #runs: BatchRuns;
  readonly #localSteps: LocalSteps;
  /** By the pieces that they encode, by count and by inputs. */
  readonly #training = new WeakMap<readonly GradientPiece[], Map<string, Promise<CompiledTraining>>>();
  readonly #evaluation = new Map<number, Promise<Compiled>>();
  readonly #prediction = new Map<number, Promise<Compiled>>();
  readonly #evaluationCounts = new Map<number, number>();

  /** A replica with the initial parameters of `seed`, the same on every worker with nothing exchanged, unless it begins empty. */
  constructor(options: ReplicaOptions) {
    const { graph, outputs } = buildModel(options.topology, 1, { training: false });
    this.#options = options;
    this.#outputs = elementCount(outputs.type);
    this.#initialised = {
      ...{ parameters: graph.parameters, statistics: graph.statistics, frozen: graph.frozen },
    };
    this.parameters = layoutOf(graph.parameters);
    this.statistics = layoutOf(graph.statistics);
    this.frozen = layoutOf(graph.frozen);
    this.#vectors = new ModelVectors(options.device, {
      ...{ parameters: this.parameters.length, statistics: this.statistics.length },
      ...(graph.frozen.length > 0 && { frozen: this.frozen.length }),
    });
    this.#updates = new Updates(this.#vectors, this.parameters);
    this.#runs = new BatchRuns(options, this.#outputs, this.#vectors, this.#updates);
    this.#localSteps = new LocalSteps({
      ...{ model: options, vectors: this.#vectors, runs: this.#runs, updates: this.#updates },
      training: (count) => this.training(count),
    });
    if (options.begins === "empty") return;
    for (const [name, tensors] of Object.entries(this.#initialised)) {
      if (!this.#vectors.names.includes(name)) continue;
      const values = this.mirror(name);
      initializeParameters(tensors, options.seed, values);
      this.write(name, values);
    }
  }

  /** Makes it as good as new, but for the vectors `besides`, which the caller writes next; what was compiled stays. */
  async reset(besides: readonly string[] = []): Promise<void> {
    this.#runs.reset();
    for (const name of this.#vectors.names) {
      if (besides.includes(name)) continue;
      // In place: frozen weights may fill half of a function's memory.
      const values = this.mirror(name).fill(0);
      await initializeInSlices(this.#initialised[name] ?? [], this.#options.seed, values);
      this.write(name, values);
    }
  }

  /** All tensors under their names: what a stored model holds. */
  async tensors(): Promise<readonly NamedTensor[]> {
    return [
      ...tensorsOf(await this.read("parameters"), this.parameters),
      ...tensorsOf(await this.read("statistics"), this.statistics),
      ...(this.frozen.length === 0 ? [] : tensorsOf(await this.read("frozen"), this.frozen)),
    ];
  }

  /** Takes over a stored model. Throws "parameters-mismatch" naming `where` and the tensor. */
  load(file: Safetensors, where: string): void {
    for (const name of ["parameters", "statistics", "frozen"] as const) {
      // In place, as large models are in memory already as a file.
      if (this[name].length > 0) this.write(name, tensorsInto(file, this[name], where, this.mirror(name)));
    }
  }

  /** Samples to evaluate at a time, by the memory that training on `trainedCount` takes. */
  evaluationCount(trainedCount: number): number {
    let count = this.#evaluationCounts.get(trainedCount);
    if (count === undefined) {
      count = evaluationCount(this.#options, trainedCount);
      this.#evaluationCounts.set(trainedCount, count);
    }
    return count;
  }

  /** Since it was made, or reset. */
  get batchesTrained(): number {
    return this.#runs.trained;
  }

  /** Whether labels are f32 targets rather than class indices. */
  get wantsTargets(): boolean {
    return !truthOf(this.#options.loss, this.#outputs).includes("labels");
  }

  /** A shared vector as host memory (see Device.mirror); to be seen by a GPU, what is changed there is to be written. */
  read(vector: string): Promise<Float32Array> {
    return this.#vectors.read(vector);
  }

  /** As `read`, as of the last time that it was read back. */
  mirror(vector: string): Float32Array {
    return this.#vectors.mirror(vector);
  }

  /** Free of charge where `data` is what `read` gave and the device's memory is the host's. */
  write(vector: string, data: Float32Array | Int32Array): void {
    this.#vectors.write(vector, data);
  }

  /**
   * The compiled forward and backward pass for `count` samples, made at its first use with these `pieces`, which see
   * `withEncodedGradients`. Where the device's memory is the host's, nothing comes back and nothing is encoded.
   */
  training(count: number, { pieces = NO_PIECES, inputs = 0 }: CompiledFor = {}): Promise<CompiledTraining> {
    const encodes =
      this.#options.device.name === "webgpu" &&
      pieces.length > 0 &&
      pieces.every(({ codec }) => canEncode(codec));
    const encoded = encodes ? pieces : NO_PIECES;
    let steps = this.#training.get(encoded);
    if (steps === undefined)
      this.#training.set(encoded, (steps = new Map<string, Promise<CompiledTraining>>()));
    return memoise(steps, `${count} ${inputs}`, async () => {
      const plain = buildTrainingStep(this.#options, count);
      const built = encodes ? withEncodedGradients(plain, encoded) : plain;
      const compiled = await this.#vectors.compile(built);
      return { ...compiled, gradientReadyAt: built.gradientReadyAt, encodes };
    });
  }

  /**
   * Forward and backward over one batch: `gradients` then holds sums over its samples, times `lossScale` (a replica that
   * scales its loss needs one). Throws "loss-not-finite"; who runs the step knows its number and worker. See `training` for
   * `pieces`.
   */
  async runTraining(
    batch: Batch,
    readBacks: readonly VectorReadBack[] = [],
    { pieces, inputs, ...options }: RunTrainingOptions = {},
  ): Promise<BatchSums> {
    const compiled = await this.training(batch.count, { pieces, inputs });
    return this.#runs.train(compiled, batch, { readBacks, ...options });
  }

  /** Loss and correct predictions of one batch, without gradients. */
  async runEvaluation(batch: Batch): Promise<BatchSums> {
    const compiled = await memoise(this.#evaluation, batch.count, () => {
      const { topology, loss } = this.#options;
      const model = buildModel(topology, batch.count, { training: false, loss });
      return this.#vectors.compile(
        buildInferenceProgram(model.graph, { loss: model.loss!, correct: model.correct! }),
      );
    });
    return this.#runs.run(compiled, batch);
  }

  /**
   * Model outputs f32[count, outputs], exactly that long: probabilities where the model ends in softmax or sigmoid.
   * Valid until the next run. `x` as in a batch. Of tokens, each position has its outputs.
   */
  async runPrediction(count: number, x: Batch["x"]): Promise<Float32Array> {
    const { device, topology } = this.#options;
    const { step, vectors, lastInstruction } = await memoise(this.#prediction, count, () => {
      const model = buildModel(topology, count, { training: false });
      return this.#vectors.compile(buildInferenceProgram(model.graph, { outputs: model.outputs }));
    });
    const outputs = vectors["result.outputs"]!;
    const end = count * this.#outputs;
    writeSamples({ device, topology }, vectors, x);
    await step.run({ readBacks: [{ vector: outputs, begin: 0, end, after: lastInstruction }] });
    return device.mirror(outputs).subarray(0, end);
  }

  /** Of a model of tokens. */
  nextToken(): NextToken {
    return new NextToken(this.#vectors, this.#options.topology);
  }

  /** Allocates the optimiser's state (zeros) and compiles its update over the whole flat vector. */
  useOptimizer(optimizer: Optimizer): Promise<void> {
    return this.#updates.use(optimizer);
  }

  /** Applies the mean gradients in `gradients` to the parameters. `hyper` f32[8] as the update ops read it. */
  applyUpdate(hyper: Float32Array): Promise<void> {
    return this.#updates.byMeans(hyper);
  }

  /** Local steps that may be under way at a time. */
  get stepsUnderWay(): number {
    return this.#localSteps.underWay;
  }

  /**
   * Forward, backward and an update by the batch's own mean gradient. `batch` may be reused when it resolves; the sums come
   * when the device has done it all, and throw as `runTraining` does.
   */
  startLocalStep(batch: Batch, hyper: Float32Array): Promise<{ readonly sums: Promise<BatchSums> }> {
    return this.#localSteps.start(batch, hyper);
  }
}
