// A golden run as make.py defines it, played on a device: the same streams, the same ten steps on one batch.

import { readFile } from "node:fs/promises";
import type { Device, DeviceVector } from "../../src/device/device.ts";
import { initializeParameters } from "../../src/graph/initialize.ts";
import { buildInferenceProgram, buildTrainingProgram } from "../../src/graph/program.ts";
import { allocateVectors } from "../../src/graph/vectors.ts";
import { buildModel, type LossName } from "../../src/models/build.ts";
import { tensorsOf } from "../../src/models/safetensors.ts";
import { vocabularyOf, type Topology } from "../../src/models/topology.ts";
import { hyperAt, optimizerOf } from "../../src/optim/optimizer.ts";
import { buildUpdateProgram } from "../../src/optim/update-program.ts";
import { RandomStream } from "../../src/random.ts";
import type { Layout, LayoutEntry } from "../../src/shard/layout.ts";

/** What make.py writes. Losses and gradients are means over the batch. */
export interface GoldenValues {
  readonly batchSize: number;
  readonly seed: number;
  readonly lr: number;
  readonly momentum: number;
  readonly loss: LossName;
  /** Settings of a recipe; absent: as if it had none. A step is an epoch of its schedule. */
  readonly labelSmoothing?: number;
  readonly clipNorm?: number;
  readonly clipValue?: number;
  readonly weightDecay?: number;
  readonly decayExcept?: string;
  readonly schedule?: string;
  readonly losses: readonly number[];
  /** After the first step, as the model is evaluated: moving statistics, no dropout. */
  readonly evaluationLoss: number;
  /** Of the first step, by parameter. */
  readonly gradients: Readonly<Record<string, GoldenTensor>>;
  /** After the first step. */
  readonly statistics: Readonly<Record<string, GoldenTensor>>;
}

/** As make.py has it. */
const KEPT_BELOW = 0.125;

export interface GoldenTensor {
  readonly length: number;
  readonly sum: number;
  readonly norm: number;
  readonly max: number;
  /** Elements at `sampleIndex`. */
  readonly samples: readonly number[];
}

export interface GoldenRun {
  readonly losses: readonly number[];
  readonly evaluationLoss: number;
  readonly gradients: ReadonlyMap<string, Float32Array>;
  readonly statistics: ReadonlyMap<string, Float32Array>;
}

export async function readGolden(name: string): Promise<GoldenValues> {
  return JSON.parse(await readFile(new URL(`${name}.json`, import.meta.url), "utf8")) as GoldenValues;
}

/** Where in a tensor of `length` elements sample `index` of `count` was taken. */
export function sampleIndex(index: number, count: number, length: number): number {
  return Math.floor(((2 * index + 1) * length) / (2 * count));
}

export async function playGolden(
  device: Device,
  topology: Topology,
  { batchSize, seed, loss, labelSmoothing, losses: expected, ...settings }: GoldenValues,
  steps: number,
): Promise<GoldenRun> {
  const model = buildModel(topology, batchSize, { training: true, loss, labelSmoothing });
  const results = { loss: model.loss!, correct: model.correct! };
  const training = buildTrainingProgram(model.graph, model.loss!, results);
  const { parameters, statistics } = training;
  const optimizer = optimizerOf({ optimizer: "momentum", ...settings });
  const update = buildUpdateProgram(optimizer, parameters);

  const evaluated = buildModel(topology, batchSize, { training: false, loss });
  const evaluation = buildInferenceProgram(evaluated.graph, {
    loss: evaluated.loss!,
    correct: evaluated.correct!,
  });

  const vectors = allocateVectors(device, training.program);
  const updateVectors = allocateVectors(device, update.program, vectors);
  const step = await device.compile(training.program, training.plan, vectors);
  const updateStep = await device.compile(update.program, update.plan, updateVectors);
  const evaluationStep = await device.compile(evaluation.program, evaluation.plan, vectors);

  for (const entry of parameters.entries) {
    device.write(vectors.parameters!, entry.offset, initialValues(entry, seed));
  }
  const initialStatistics = new Float32Array(statistics.length);
  initializeParameters(model.graph.statistics, seed, initialStatistics);
  device.write(vectors.statistics!, 0, initialStatistics);
  writeBatch(device, vectors, topology, batchSize, seed, model.outputs.type.shape.at(-1)!);
  const readMean = async (vector: string) =>
    (await device.readF32(vectors[vector]!)).map((sum) => sum / batchSize);

  const losses: number[] = [];
  let first: Omit<GoldenRun, "losses"> | undefined;
  for (let index = 0; index < steps; index++) {
    const counters = vectors["input.counters"];
    if (counters !== undefined) device.write(counters, 0, Int32Array.of(index, 0, seed, 0));
    await step.run();
    losses.push((await readMean("result.loss"))[0]!);
    const gradients = await readMean("gradients");
    device.write(vectors.gradients!, 0, gradients);
    device.write(updateVectors.hyper!, 0, hyperAt(optimizer, index, expected.length, 1));
    await updateStep.run();
    if (index > 0) continue;
    const moved = (await device.readF32(vectors.statistics!)).slice();
    await evaluationStep.run();
    first = {
      evaluationLoss: (await readMean("result.loss"))[0]!,
      gradients: byName(gradients, parameters),
      statistics: byName(moved, statistics),
    };
  }
  return { losses, ...first! };
}

function byName(vector: Float32Array, layout: Layout): ReadonlyMap<string, Float32Array> {
  return new Map(tensorsOf(vector, layout).map(({ name, data }) => [name, data]));
}

/** Kernels within Glorot's limits, scales within 0.1 of 1, biases of 0. */
function initialValues({ name, shape, length }: LayoutEntry, seed: number): Float32Array {
  const window = shape.slice(0, -2).reduce((product, extent) => product * extent, 1);
  const limit = shape.length > 1 ? Math.sqrt(6 / (window * (shape.at(-2)! + shape.at(-1)!))) : 0.1;
  const values = symmetric(name, seed, length, limit);
  return name.endsWith("/gamma") ? values.map((value) => 1 + value) : values;
}

function writeBatch(
  device: Device,
  vectors: Readonly<Record<string, DeviceVector>>,
  topology: Topology,
  batchSize: number,
  seed: number,
  outputs: number,
): void {
  const length = batchSize * topology.inputShape.reduce((product, extent) => product * extent, 1);
  const vocabulary = vocabularyOf(topology);
  const tokens = (name: string, below: number, count: number): Int32Array => {
    const stream = new RandomStream(seed, `golden/${name}`);
    return Int32Array.from({ length: count }, () => stream.nextU32() % below);
  };
  const x = vocabulary === undefined ? symmetric("x", seed, length, 1) : tokens("x", vocabulary, length);
  if (topology.sparse) writeSparse(device, vectors, x as Float32Array, batchSize);
  else device.write(vectors["input.x"]!, 0, x);
  const labels = vectors["input.labels"];
  const targets = vectors["input.targets"];
  if (labels !== undefined) {
    const classes = tokens("labels", outputs, vocabulary === undefined ? batchSize : length);
    device.write(labels, 0, classes);
    if (targets !== undefined) {
      const isClass = (i: number) => Number(classes[Math.floor(i / outputs)] === i % outputs);
      device.write(
        targets,
        0,
        Float32Array.from({ length: batchSize * outputs }, (_, i) => isClass(i)),
      );
    }
  } else if (targets !== undefined && outputs === 1) {
    const stream = new RandomStream(seed, "golden/targets");
    device.write(
      targets,
      0,
      Float32Array.from({ length: batchSize }, () => stream.nextU32() & 1),
    );
  } else if (targets !== undefined) {
    device.write(targets, 0, symmetric("targets", seed, batchSize * outputs, 1));
  }
}

/** Of (rows, features) those that make.py keeps. */
function writeSparse(
  device: Device,
  vectors: Readonly<Record<string, DeviceVector>>,
  x: Float32Array,
  rows: number,
): void {
  const features = x.length / rows;
  const kept = [...x.keys()].filter((i) => Math.abs(x[i]!) < KEPT_BELOW);
  const starts = Array.from({ length: rows + 1 }, (_, row) => kept.filter((i) => i < row * features).length);
  device.write(
    vectors["input.x.values"]!,
    0,
    Float32Array.from(kept, (i) => x[i]!),
  );
  device.write(
    vectors["input.x.columns"]!,
    0,
    Int32Array.from(kept, (i) => i % features),
  );
  device.write(vectors["input.x.rowStarts"]!, 0, Int32Array.from(starts));
}

/** Uniform in [-limit, limit). */
function symmetric(name: string, seed: number, length: number, limit: number): Float32Array {
  const stream = new RandomStream(seed, `golden/${name}`);
  return Float32Array.from({ length }, () => (2 * stream.nextUniform() - 1) * limit);
}
