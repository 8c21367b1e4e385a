// A batch on its way into a program's inputs: samples in the form that the model takes, the right answers, and their weights.

import { denseRows } from "../data/csr-batch.ts";
import { rowElements } from "../data/dataset.ts";
import type { Device } from "../device/device.ts";
import type { Topology } from "../models/topology.ts";
import type { Batch } from "./batch.ts";
import type { Compiled } from "./model-vectors.ts";

export interface InputsOf {
  readonly device: Device;
  readonly topology: Topology;
  /** What the loss of each class is multiplied by. */
  readonly classWeights?: readonly number[] | undefined;
}

/** Samples and whatever else the program asks for; `outputs` are the model's for one sample. */
export function writeInputs(
  { device, topology, classWeights }: InputsOf,
  outputs: number,
  vectors: Compiled["vectors"],
  { x, labels: answers }: Batch,
): void {
  writeSamples({ device, topology }, vectors, x);
  const { "input.labels": labels, "input.targets": targets, "input.weights": weights } = vectors;
  // A model of clusters knows no right answers.
  const truth = labels ?? targets;
  if (truth !== undefined) device.write(truth, 0, answers);
  if (labels && targets) device.write(targets, 0, oneAmongZeros(answers, outputs));
  if (weights) device.write(weights, 0, weightsOf(answers, classWeights!, labels && targets ? outputs : 1));
}

export function writeSamples(
  { device, topology }: Pick<InputsOf, "device" | "topology">,
  vectors: Compiled["vectors"],
  x: Batch["x"],
): void {
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

/** Each sample's `repeats` times. */
function weightsOf(labels: Batch["labels"], classWeights: readonly number[], repeats: number): Float32Array {
  const weights = new Float32Array(labels.length * repeats);
  // Targets may be smoothed: 0.05 is class 0.
  labels.forEach((label, i) =>
    weights.fill(classWeights[Math.round(label)]!, i * repeats, (i + 1) * repeats),
  );
  return weights;
}

/** (count, classes): 1 where the class is the sample's, 0 elsewhere. */
function oneAmongZeros(labels: Batch["labels"], classes: number): Float32Array {
  const targets = new Float32Array(labels.length * classes);
  labels.forEach((label, i) => (targets[i * classes + label] = 1));
  return targets;
}
