// A golden run as make.py defines it, played on a device: the same streams, the same ten steps on one batch.

import { readFile } from "node:fs/promises";
import type { Device, DeviceVector } from "../../src/device/device.ts";
import { buildTrainingProgram } from "../../src/graph/program.ts";
import { allocateVectors } from "../../src/graph/vectors.ts";
import { buildModel, type LossName } from "../../src/models/build.ts";
import { tensorsOf } from "../../src/models/safetensors.ts";
import type { Topology } from "../../src/models/topology.ts";
import { buildUpdateProgram, hyperAt, optimizerOf } from "../../src/optim/optimizer.ts";
import { RandomStream } from "../../src/random.ts";
import type { LayoutEntry } from "../../src/shard/layout.ts";

/** What make.py writes. Losses and gradients are means over the batch. */
export interface GoldenValues {
  readonly batchSize: number;
  readonly seed: number;
  readonly lr: number;
  readonly momentum: number;
  readonly loss: LossName;
  readonly losses: readonly number[];
  readonly gradients: Readonly<Record<string, GoldenGradient>>;
}

export interface GoldenGradient {
  readonly length: number;
  readonly sum: number;
  readonly norm: number;
  readonly max: number;
  /** Elements at `sampleIndex`. */
  readonly samples: readonly number[];
}

export interface GoldenRun {
  readonly losses: readonly number[];
  /** Of the first step, by parameter. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

export async function readGolden(name: string): Promise<GoldenValues> {
  return JSON.parse(await readFile(new URL(`${name}.json`, import.meta.url), "utf8")) as GoldenValues;
}

/** Where in a gradient of `length` elements sample `index` of `count` was taken. */
export function sampleIndex(index: number, count: number, length: number): number {
  return Math.floor(((2 * index + 1) * length) / (2 * count));
}

export async function playGolden(
  device: Device,
  topology: Topology,
  { batchSize, seed, lr, momentum, loss }: GoldenValues,
  steps: number,
): Promise<GoldenRun> {
  const model = buildModel(topology, batchSize, { training: true, loss });
  const training = buildTrainingProgram(model.graph, model.loss!, { loss: model.loss! });
  const layout = training.parameters;
  const optimizer = optimizerOf({ optimizer: "momentum", lr, momentum });
  const update = buildUpdateProgram(optimizer, layout.length);

  const vectors = allocateVectors(device, training.program);
  const updateVectors = allocateVectors(device, update.program, vectors);
  const step = await device.compile(training.program, training.plan, vectors);
  const updateStep = await device.compile(update.program, update.plan, updateVectors);

  for (const entry of layout.entries) {
    device.write(vectors.parameters!, entry.offset, initialValues(entry, seed));
  }
  writeBatch(device, vectors, topology, batchSize, seed, model.outputs.type.shape[1]!);

  const losses: number[] = [];
  let gradients = new Map<string, Float32Array>();
  for (let index = 0; index < steps; index++) {
    await step.run();
    const lossSum = (await device.readF32(vectors["result.loss"]!))[0]!;
    losses.push(lossSum / batchSize);
    const mean = (await device.readF32(vectors.gradients!)).map((sum) => sum / batchSize);
    if (index === 0) gradients = new Map(tensorsOf(mean, layout).map(({ name, data }) => [name, data]));
    device.write(vectors.gradients!, 0, mean);
    device.write(updateVectors.hyper!, 0, hyperAt(optimizer, index, steps));
    await updateStep.run();
  }
  return { losses, gradients };
}

/** Kernels within Glorot's limits, biases within 0.1. */
function initialValues({ name, shape, length }: LayoutEntry, seed: number): Float32Array {
  const window = shape.slice(0, -2).reduce((product, extent) => product * extent, 1);
  const limit = shape.length > 1 ? Math.sqrt(6 / (window * (shape.at(-2)! + shape.at(-1)!))) : 0.1;
  return symmetric(name, seed, length, limit);
}

function writeBatch(
  device: Device,
  vectors: Readonly<Record<string, DeviceVector>>,
  { inputShape }: Topology,
  batchSize: number,
  seed: number,
  outputs: number,
): void {
  const sampleElements = inputShape.reduce((product, extent) => product * extent, 1);
  device.write(vectors["input.x"]!, 0, symmetric("x", seed, batchSize * sampleElements, 1));
  const labels = vectors["input.labels"];
  const targets = vectors["input.targets"];
  if (labels !== undefined) {
    const stream = new RandomStream(seed, "golden/labels");
    device.write(
      labels,
      0,
      Int32Array.from({ length: batchSize }, () => stream.nextU32() % outputs),
    );
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

/** Uniform in [-limit, limit). */
function symmetric(name: string, seed: number, length: number, limit: number): Float32Array {
  const stream = new RandomStream(seed, `golden/${name}`);
  return Float32Array.from({ length }, () => (2 * stream.nextUniform() - 1) * limit);
}
