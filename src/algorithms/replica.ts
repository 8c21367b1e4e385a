// One worker's copy of the model on its device: flat vectors for parameters, gradients and optimiser state, and one
// compiled program per batch size. It knows nothing of other workers.

import { denseRows, type CsrBatch } from "../data/csr-batch.ts";
import { rowElements } from "../data/dataset.ts";
import type { Device, DeviceVector, Program, Plan, ReadBack, Step } from "../device/device.ts";
import { SltrainError, assert } from "../errors.ts";
import { initializeParameters } from "../graph/initialize.ts";
import { buildLocalStepProgram } from "../graph/local-step.ts";
import { layoutOf, type Parameter } from "../graph/graph.ts";
import { buildInferenceProgram } from "../graph/program.ts";
import { canEncode, type GradientPiece, withEncodedGradients } from "../graph/encode-gradients.ts";
import { allocateVectors } from "../graph/vectors.ts";
import { elementCount } from "../kernels/tensor.ts";
import { buildModel, truthOf, type LossName } from "../models/build.ts";
import { tensorsInto, tensorsOf, type NamedTensor, type Safetensors } from "../models/safetensors.ts";
import type { Topology } from "../models/topology.ts";
import type { Optimizer } from "../optim/optimizer.ts";
import { buildUpdateProgram } from "../optim/update-program.ts";
import type { Layout } from "../shard/layout.ts";
import { buildTrainedModel, buildTrainingStep, evaluationCount } from "./training-memory.ts";

/** Host copy of one batch. */
export interface Batch {
  readonly count: number;
  /** f32[count, ...features], i32[count, T] tokens, or sparse rows where the model takes such. */
  readonly x: Float32Array | Int32Array | CsrBatch;
  /** i32[count] classes, i32[count, T] tokens that come next, or f32[count, outputs] targets. */
  readonly labels: Int32Array | Float32Array;
  /** Global step, and index of the first sample within the global batch: they place the batch in the random streams. */
  readonly step: number;
  readonly sampleOffset: number;
}

/** Sums over the samples of one batch. */
export interface BatchSums {
  readonly loss: number;
  readonly correct: number;
}

/** As `ReadBack`, of a shared vector by its name. */
export interface VectorReadBack extends Omit<ReadBack, "vector"> {
  readonly vector: string;
}

/** A program with the vectors it runs on; inputs and results are its own, the rest is shared by all programs. */
interface Compiled {
  readonly step: Step;
  readonly lastInstruction: number;
  readonly vectors: Readonly<Record<string, DeviceVector>>;
}

export interface TrainingStep extends Compiled {
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
  /** Whether training is told a number that the gradients are multiplied by. */
  readonly scalesLoss?: boolean;
  /** As in TrainingJob: of training alone. */
  readonly labelSmoothing?: number | undefined;
  readonly classWeights?: readonly number[] | undefined;
}

export interface RunTrainingOptions {
  /** Of the gradients, that the device encodes. */
  readonly pieces?: readonly GradientPiece[] | undefined;
  /** Of a replica that scales its loss: what the gradients are multiplied by. */
  readonly lossScale?: number | undefined;
  /** The batch is that of the last run of so many samples: nothing is copied to the device. */
  readonly sameInputs?: boolean | undefined;
}

const NO_PIECES: readonly GradientPiece[] = [];

/** The pass over the batch, and the update. */
const RUNS_OF_A_LOCAL_STEP = 2;

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
  readonly #shared: Record<string, DeviceVector> = {};
  /** By the pieces that they encode. */
  readonly #training = new WeakMap<readonly GradientPiece[], Map<number, Promise<TrainingStep>>>();
  readonly #evaluation = new Map<number, Promise<Compiled>>();
  readonly #sparseSteps = new Map<number, Promise<Compiled>>();
  readonly #prediction = new Map<number, Promise<Compiled>>();
  readonly #evaluationCounts = new Map<number, number>();
  #optimizer: Optimizer | undefined;
  #update: Compiled | undefined;
  #batchesTrained = 0;
  /** From the sums of one batch. */
  #localUpdate: Promise<Compiled> | undefined;
  /** The newest update, which the device may not have finished. */
  #updating: Promise<void> = Promise.resolve();

  /** A replica with the initial parameters of `seed`: the same on every worker, with nothing exchanged. */
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
    for (const vector of ["parameters", "statistics"] as const)
      this.#shared[vector] = options.device.alloc(this[vector].length, vector);
    if (graph.frozen.length > 0) this.#shared.frozen = options.device.alloc(this.frozen.length, "frozen");
    this.reset();
  }

  /** Makes it as good as new; what was compiled stays. */
  reset(): void {
    this.#batchesTrained = 0;
    for (const name of Object.keys(this.#shared)) {
      // In place: frozen weights may fill half of a function's memory.
      const values = this.mirror(name).fill(0);
      initializeParameters(this.#initialised[name] ?? [], this.#options.seed, values);
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
    this.write("parameters", tensorsInto(file, this.parameters, where));
    this.write("statistics", tensorsInto(file, this.statistics, where));
    if (this.frozen.length > 0) this.write("frozen", tensorsInto(file, this.frozen, where));
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
    return this.#batchesTrained;
  }

  /** Whether labels are f32 targets rather than class indices. */
  get wantsTargets(): boolean {
    return !truthOf(this.#options.loss, this.#outputs).includes("labels");
  }

  /** A shared vector as host memory (see Device.mirror); to be seen by a GPU, what is changed there is to be written. */
  read(vector: string): Promise<Float32Array> {
    return this.#options.device.readF32(this.#vector(vector));
  }

  /** As `read`, as of the last time that it was read back. */
  mirror(vector: string): Float32Array {
    return this.#options.device.mirror(this.#vector(vector));
  }

  /** Free of charge where `data` is what `read` gave and the device's memory is the host's. */
  write(vector: string, data: Float32Array | Int32Array): void {
    this.#options.device.write(this.#vector(vector), 0, data);
  }

  #vector(name: string): DeviceVector {
    const vector = this.#shared[name];
    assert(vector !== undefined, `the replica has no vector ${name}`);
    return vector;
  }

  async #compile(built: { readonly program: Program; readonly plan: Plan }): Promise<Compiled> {
    const vectors = allocateVectors(this.#options.device, built.program, this.#shared);
    for (const [name, vector] of Object.entries(vectors)) {
      if (!name.startsWith("input.") && !name.startsWith("result.")) this.#shared[name] = vector;
    }
    return {
      step: await this.#options.device.compile(built.program, built.plan, vectors),
      lastInstruction: built.program.instructions.length - 1,
      vectors,
    };
  }

  /**
   * The compiled forward and backward pass for `count` samples, made at its first use with these `pieces`, which see
   * `withEncodedGradients`. Where the device's memory is the host's, nothing comes back and nothing is encoded.
   */
  training(count: number, pieces = NO_PIECES): Promise<TrainingStep> {
    const encodes =
      this.#options.device.name === "webgpu" &&
      pieces.length > 0 &&
      pieces.every(({ codec }) => canEncode(codec));
    const encoded = encodes ? pieces : NO_PIECES;
    let steps = this.#training.get(encoded);
    if (steps === undefined) this.#training.set(encoded, (steps = new Map<number, Promise<TrainingStep>>()));
    return memoise(steps, count, async () => {
      const plain = buildTrainingStep(this.#options, count);
      const built = encodes ? withEncodedGradients(plain, encoded) : plain;
      return { ...(await this.#compile(built)), gradientReadyAt: built.gradientReadyAt, encodes };
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
    { pieces, ...options }: RunTrainingOptions = {},
  ): Promise<BatchSums> {
    return this.#train(await this.training(batch.count, pieces), batch, readBacks, options);
  }

  async #train(
    compiled: Compiled,
    batch: Batch,
    readBacks?: readonly VectorReadBack[],
    { lossScale, sameInputs }: Omit<RunTrainingOptions, "pieces"> = {},
  ): Promise<BatchSums> {
    const { device, scalesLoss = false } = this.#options;
    assert(
      scalesLoss === (lossScale !== undefined),
      "a scale of the loss for a replica that has none, or none",
    );
    const scale = compiled.vectors["input.lossScale"];
    if (scale !== undefined) device.write(scale, 0, Float32Array.of(lossScale!));
    const sums = await this.#run(compiled, batch, readBacks, sameInputs);
    this.#batchesTrained++;
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

  /** Loss and correct predictions of one batch, without gradients. */
  async runEvaluation(batch: Batch): Promise<BatchSums> {
    const compiled = await memoise(this.#evaluation, batch.count, () => {
      const { topology, loss } = this.#options;
      const model = buildModel(topology, batch.count, { training: false, loss });
      return this.#compile(
        buildInferenceProgram(model.graph, { loss: model.loss!, correct: model.correct! }),
      );
    });
    return this.#run(compiled, batch);
  }

  async #run(
    { step, vectors, lastInstruction }: Compiled,
    batch: Batch,
    readBacks: readonly VectorReadBack[] = [],
    sameInputs = false,
  ): Promise<BatchSums> {
    const { device, seed } = this.#options;
    if (!sameInputs) this.#writeInputs(vectors, batch);
    const counters = vectors["input.counters"];
    if (counters) device.write(counters, 0, Int32Array.of(batch.step, batch.sampleOffset, seed, 0));
    const sums = { loss: NaN, correct: NaN };
    const results = (["loss", "correct"] as const).map((name): ReadBack => {
      const vector = vectors[`result.${name}`]!;
      const ready = () => void (sums[name] = device.mirror(vector)[0]!);
      return { vector, begin: 0, end: 1, after: lastInstruction, ready };
    });
    const named = readBacks.map((readBack) => ({ ...readBack, vector: this.#vector(readBack.vector) }));
    await Promise.all([step.run({ readBacks: [...named, ...results] }), this.#updating]);
    return sums;
  }

  #writeInputs(vectors: Compiled["vectors"], batch: Batch): void {
    const { device } = this.#options;
    this.#writeSamples(vectors, batch.x);
    const { "input.labels": labels, "input.targets": targets } = vectors;
    // A model of clusters knows no right answers.
    const answers = labels ?? targets;
    if (answers !== undefined) device.write(answers, 0, batch.labels);
    if (labels && targets) device.write(targets, 0, oneAmongZeros(batch.labels, this.#outputs));
    const weights = vectors["input.weights"];
    if (weights)
      device.write(weights, 0, this.#weightsOf(batch.labels, labels && targets ? this.#outputs : 1));
  }

  /** Each sample's `repeats` times. */
  #weightsOf(labels: Batch["labels"], repeats: number): Float32Array {
    const { classWeights } = this.#options;
    const weights = new Float32Array(labels.length * repeats);
    // Targets may be smoothed: 0.05 is class 0.
    labels.forEach((label, i) =>
      weights.fill(classWeights![Math.round(label)]!, i * repeats, (i + 1) * repeats),
    );
    return weights;
  }

  #writeSamples(vectors: Compiled["vectors"], x: Batch["x"]): void {
    const { device, topology } = this.#options;
    if (x instanceof Int32Array) {
      device.write(vectors["input.x"]!, 0, x);
      return;
    }
    if (!("rowStarts" in x) || topology.sparse === undefined) {
      device.write(vectors["input.x"]!, 0, denseRows(x, rowElements(topology.inputShape)));
      return;
    }
    device.write(vectors["input.x.values"]!, 0, x.values);
    device.write(vectors["input.x.columns"]!, 0, x.columns);
    device.write(vectors["input.x.rowStarts"]!, 0, x.rowStarts);
  }

  /**
   * Model outputs f32[count, outputs], exactly that long: probabilities where the model ends in softmax or sigmoid.
   * Valid until the next run. `x` as in a batch. Of tokens, each position has its outputs.
   */
  async runPrediction(count: number, x: Batch["x"]): Promise<Float32Array> {
    const { step, vectors, lastInstruction } = await memoise(this.#prediction, count, () => {
      const model = buildModel(this.#options.topology, count, { training: false });
      return this.#compile(buildInferenceProgram(model.graph, { outputs: model.outputs }));
    });
    const { device } = this.#options;
    const outputs = vectors["result.outputs"]!;
    const end = count * this.#outputs;
    this.#writeSamples(vectors, x);
    await step.run({ readBacks: [{ vector: outputs, begin: 0, end, after: lastInstruction }] });
    return device.mirror(outputs).subarray(0, end);
  }

  /** Allocates the optimiser's state (zeros) and compiles its update over the whole flat vector. */
  async useOptimizer(optimizer: Optimizer): Promise<void> {
    this.#optimizer = optimizer;
    this.#update = await this.#compile(buildUpdateProgram(optimizer, this.parameters));
  }

  /** Applies the mean gradients in `gradients` to the parameters. `hyper` f32[8] as the update ops read it. */
  async applyUpdate(hyper: Float32Array): Promise<void> {
    assert(this.#update !== undefined, "applyUpdate before useOptimizer");
    await this.#runUpdate(this.#update, hyper);
  }

  /** As long as the device is the host it is waited for; else whoever waits for the next results waits for it too. */
  async #runUpdate({ step }: Compiled, hyper: Float32Array): Promise<void> {
    this.write("hyper", hyper);
    this.#updating = step.run();
    // What it throws is thrown there.
    this.#updating.catch(() => undefined);
    if (this.#options.device.runsUnderWay === 1) await this.#updating;
  }

  /** Local steps that may be under way at a time. */
  get stepsUnderWay(): number {
    return Math.max(1, Math.floor(this.#options.device.runsUnderWay / RUNS_OF_A_LOCAL_STEP));
  }

  /**
   * Forward, backward and an update by the batch's own mean gradient. `batch` may be reused when it resolves; the sums come
   * when the device has done it all, and throw as `runTraining` does.
   */
  async startLocalStep(batch: Batch, hyper: Float32Array): Promise<{ readonly sums: Promise<BatchSums> }> {
    if (this.#options.topology.sparse && isPlainSgd(this.#optimizer!))
      return this.#startSparseStep(batch, hyper);
    const compiled = await this.training(batch.count);
    const update = await (this.#localUpdate ??= this.#compileLocalUpdate());
    const sums = this.#train(compiled, batch);
    if (this.#options.device.runsUnderWay === 1) await sums;
    this.write("samples", Float32Array.of(batch.count));
    const updated = this.#runUpdate(update, hyper);
    if (this.#options.device.runsUnderWay === 1) await updated;
    const updating = this.#updating;
    return { sums: Promise.all([sums, updating]).then(([sums]) => sums) };
  }

  /** As one program, whose update touches only the weights of features that the batch has. */
  async #startSparseStep(batch: Batch, hyper: Float32Array): Promise<{ readonly sums: Promise<BatchSums> }> {
    const compiled = await memoise(this.#sparseSteps, batch.count, () => {
      const model = buildTrainedModel(this.#options, batch.count);
      const results = { loss: model.loss!, correct: model.correct! };
      return this.#compile(buildLocalStepProgram(model.graph, model.loss!, results));
    });
    const rate = hyper[0]! / batch.count;
    const { device } = this.#options;
    device.write(compiled.vectors["input.rate"]!, 0, Float32Array.of(rate));
    const { "input.sgd": sgd } = compiled.vectors;
    if (sgd !== undefined) device.write(sgd, 0, Float32Array.of(rate, 0, 0, 0, 0, 0, 0, 0));
    const sums = this.#train(compiled, batch);
    if (device.runsUnderWay === 1) await sums;
    return { sums };
  }

  #compileLocalUpdate(): Promise<Compiled> {
    assert(this.#optimizer !== undefined, "startLocalStep before useOptimizer");
    return this.#compile(buildUpdateProgram(this.#optimizer, this.parameters, { ofSums: true }));
  }
}

/** Whether an update is p' = p - lr g, so that a gradient of few features changes no other weight. */
function isPlainSgd({ name, weightDecay, clipNorm, clipValue }: Optimizer): boolean {
  return name === "sgd" && weightDecay === 0 && clipNorm === undefined && clipValue === undefined;
}

/** (count, classes): 1 where the class is the sample's, 0 elsewhere. */
function oneAmongZeros(labels: Batch["labels"], classes: number): Float32Array {
  const targets = new Float32Array(labels.length * classes);
  labels.forEach((label, i) => (targets[i * classes + label] = 1));
  return targets;
}

function memoise<V>(cache: Map<number, Promise<V>>, key: number, make: () => Promise<V>): Promise<V> {
  let made = cache.get(key);
  if (!made) cache.set(key, (made = make()));
  return made;
}
