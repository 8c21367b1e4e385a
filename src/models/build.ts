// From a topology to a graph for one batch size, with or without a loss. A softmax or sigmoid at the end is left out
// of its cross entropy, which takes logits and does it more exactly, and kept for predictions.

import { SltrainError } from "../errors.ts";
import { GraphBuilder, layoutOf, vectorNames, type Graph, type VectorName } from "../graph/graph.ts";
import { columnSum } from "../kernels/ops/bias.ts";
import { multiply, type NoParams } from "../kernels/ops/elementwise.ts";
import { fill } from "../kernels/ops/fill.ts";
import {
  hinge,
  meanSquaredError,
  sigmoidCrossEntropy,
  softmaxCrossEntropy,
  squaredHinge,
} from "../kernels/ops/losses.ts";
import { reshape } from "../kernels/ops/reshape.ts";
import type { Op, Tensor } from "../kernels/op.ts";
import { elementCount, f32, formatType, i32 } from "../kernels/tensor.ts";
import type { Layout } from "../shard/layout.ts";
import { addLayer } from "./layers.ts";
import { addSparseDense, refuseSparse, sparseInput } from "./sparse-input.ts";
import { finalActivation, splitStages } from "./stages.ts";
import { MODEL_INPUT, vocabularyOf, type Activation, type Topology } from "./topology.ts";

export type LossName =
  | "inertia"
  | "softmax-cross-entropy"
  | "sigmoid-cross-entropy"
  | "mean-squared-error"
  | "hinge"
  | "squared-hinge";

interface Loss {
  readonly op: Op<NoParams> | typeof softmaxCrossEntropy;
  /** The activation that the loss does itself: it takes logits. */
  readonly link: Activation;
  /**
   * The input with the right answers: i32[B] class numbers, or f32[B, N]; "one-vs-rest" is both where there are several
   * outputs: class numbers to count right answers by, and a 1 for the class among zeros.
   */
  readonly truth: "labels" | "targets" | "one-vs-rest";
}

const losses: Readonly<Record<Exclude<LossName, "inertia">, Loss>> = {
  "softmax-cross-entropy": { op: softmaxCrossEntropy, link: "softmax", truth: "labels" },
  "sigmoid-cross-entropy": { op: sigmoidCrossEntropy, link: "sigmoid", truth: "targets" },
  "mean-squared-error": { op: meanSquaredError, link: "linear", truth: "targets" },
  hinge: { op: hinge, link: "linear", truth: "one-vs-rest" },
  "squared-hinge": { op: squaredHinge, link: "linear", truth: "one-vs-rest" },
};

export interface BuildOptions {
  /** Whether dropout drops, and batch norm normalises by the batch's own statistics and moves its averages. */
  readonly training: boolean;
  readonly loss?: LossName;
  /** Of softmax cross-entropy: see its op. */
  readonly labelSmoothing?: number | undefined;
  /** Whether there is an input `weights` f32 of the truth's shape, which multiplies the losses. */
  readonly weighted?: boolean | undefined;
  /** Whether it takes one token of each text at a time; of a model that goes by position, and not in training. */
  readonly onePosition?: boolean | undefined;
}

/**
 * The graph's inputs are `x` f32[B, ...inputShape] (i32 for a model that embeds tokens, or those of `sparseInput` for sparse
 * samples), with a loss `labels` i32[B] (of tokens i32[B T]) or `targets` f32[B, N] or both, as
 * `truthOf` says, and `counters` i32[4] where dropout drops. A model of one position takes `x` i32[B], `positions` i32[B] and
 * for each attention `past.<layer>` f32[B,T,3D]; its outputs are of that position.
 */
export interface BuiltModel {
  readonly graph: Graph;
  /** Before a final softmax or sigmoid: what a cross entropy sees. */
  readonly logits: Tensor;
  /** After it: what the model predicts. */
  readonly outputs: Tensor;
  /** f32[1], summed over the batch's samples. */
  readonly loss?: Tensor;
  /** f32[1], the number of right answers in the batch. */
  readonly correct?: Tensor;
  /** By layer name, in the topology's order: what the layer hands on. */
  readonly layerOutputs: ReadonlyMap<string, Tensor>;
}

/**
 * Throws SltrainError "model-shape" naming the layer (or the loss) that cannot take what comes before it, and
 * "model-loss-mismatch" for a cross entropy behind another activation than its own.
 */
export function buildModel(topology: Topology, batchSize: number, options: BuildOptions): BuiltModel {
  const builder = new GraphBuilder();
  const sparse = topology.sparse && sparseInput(builder, topology, batchSize);
  const sample = vocabularyOf(topology) === undefined ? f32 : i32;
  const sampleShape = options.onePosition ? [] : topology.inputShape;
  const x = sparse?.values ?? builder.input("x", sample(batchSize, ...sampleShape));
  const at = options.onePosition
    ? { positions: builder.input("positions", i32(batchSize)), contextLength: topology.inputShape[0]! }
    : undefined;
  let counterInput: Tensor | undefined;
  const { training } = options;
  const counters = training ? () => (counterInput ??= builder.input("counters", i32(4))) : undefined;

  let [beforeLast, outputs] = [x, x];
  const layerOutputs = new Map<string, Tensor>();
  const places = new Map(topology.layers.map(({ name }, index) => [name, index]));
  for (const stage of splitStages(topology.layers)) {
    const { layer, names } = stage;
    const index = places.get(layer.name)!;
    const inputs = stage.inputs.map((name) => (name === MODEL_INPUT ? x : layerOutputs.get(name)!));
    const subject = `${layer.className} layer ${JSON.stringify(layer.name)}`;
    const suggestions = layer.className === "Dense" ? ["Put a Flatten layer before it."] : [];
    const isFrozen = layer.trainable === false;
    const context = { builder, training: training && !isFrozen, counters, index, at };
    const readsSparse = sparse !== undefined && stage.inputs.includes(MODEL_INPUT);
    if (readsSparse) refuseSparse(layer, topology);
    const declare = () =>
      readsSparse && layer.className === "Dense"
        ? addSparseDense(layer, stage, sparse, context)
        : addLayer(stage, inputs, context);
    const add = isFrozen ? () => builder.freezing(declare) : declare;
    [beforeLast, outputs] = [inputs[0]!, named(subject, inputs, add, suggestions)];
    for (const name of names) layerOutputs.set(name, outputs);
  }
  const final = finalActivation(topology);
  const logits = final === "softmax" || final === "sigmoid" ? beforeLast : outputs;

  const model = { logits, outputs, layerOutputs };
  if (options.loss === undefined) return { ...model, graph: builder.build() };

  if (options.loss === "inertia") {
    const loss = builder.apply(columnSum, [outputs], {});
    const correct = builder.apply(fill, [], { shape: [1], value: 0 });
    return { ...model, loss, correct, graph: builder.build() };
  }
  const { op, link } = losses[options.loss];
  if (link !== "linear" && final !== "linear" && final !== link) {
    throw new SltrainError({
      code: "model-loss-mismatch",
      message: `loss ${options.loss} wants a model that ends in ${link} or in no activation, but ${topology.name} ends in ${final}`,
      suggestions: [`This model's own loss is ${defaultLoss(topology)}.`],
    });
  }
  const predictions = rowsOf(builder, link === "linear" ? outputs : logits);
  const [rows, width] = predictions.type.shape as [number, number];
  const truth = truthOf(options.loss, width);
  const labels = truth.includes("labels") ? builder.input("labels", i32(rows)) : undefined;
  const targets = truth.includes("targets")
    ? builder.input("targets", f32(...predictions.type.shape))
    : undefined;
  const [loss, correct] = named(`loss ${options.loss}`, [predictions], () => {
    const truth = (targets ?? labels)!;
    const { shape } = truth.type;
    // A sample of tokens counts as one sample: its loss is the mean over its positions, and so is what it has right. As
    // weights of rows the shares leave the loss itself the objective, whose gradient then comes with it (graph/fuse.ts).
    const share = batchSize / rows;
    const factors = [
      ...(options.weighted === true ? [builder.input("weights", f32(...shape))] : []),
      ...(share === 1 ? [] : [builder.apply(fill, [], { shape, value: share })]),
    ];
    const weights = factors.length === 2 ? [builder.apply(multiply, factors, {})] : factors;
    const operands = [predictions, truth, ...weights];
    const { labelSmoothing = 0 } = options;
    const results =
      op === softmaxCrossEntropy
        ? builder.add(softmaxCrossEntropy, operands, { labelSmoothing })
        : builder.add(op, operands, {});
    // Elements' own signs are no answer among several classes: the highest score is.
    const byClass = targets && labels && builder.add(softmaxCrossEntropy, [predictions, labels], {});
    const right = (byClass ?? results)[1]!;
    return [results[0]!, share === 1 ? right : scaled(builder, right, share)];
  });
  return { ...model, loss, correct, graph: builder.build() };
}

/** Predictions for a run of tokens, [B, T, V], as rows of predictions [B T, V]. */
function rowsOf(builder: GraphBuilder, predictions: Tensor): Tensor {
  if (predictions.type.shape.length !== 3) return predictions;
  const [B, T, V] = predictions.type.shape as [number, number, number];
  return builder.apply(reshape, [predictions], { shape: [B * T, V] });
}

function scaled(builder: GraphBuilder, sum: Tensor, factor: number): Tensor {
  const factors = builder.apply(fill, [], { shape: sum.type.shape, value: factor });
  return builder.apply(multiply, [sum, factors], {});
}

/** The inputs that hold the right answers for a loss of so many outputs. */
export function truthOf(loss: LossName, outputs: number): readonly ("labels" | "targets")[] {
  if (loss === "inertia") return [];
  const { truth } = losses[loss];
  if (truth !== "one-vs-rest") return [truth];
  return outputs === 1 ? ["targets"] : ["labels", "targets"];
}

/** Whether the loss counts right answers, so that there is an accuracy. */
export function countsAnswers(loss: LossName): boolean {
  return loss !== "mean-squared-error" && loss !== "inertia";
}

/** The loss that fits the model's last activation. */
export function defaultLoss(topology: Topology): LossName {
  if (topology.layers.at(-1)?.className === "KMeans") return "inertia";
  const final = finalActivation(topology);
  const names = Object.keys(losses) as (keyof typeof losses)[];
  return names.find((name) => losses[name].link === final) ?? "mean-squared-error";
}

/** An op knows its operands only: this adds where in the model it stands. */
function named<T>(
  subject: string,
  inputs: readonly Tensor[],
  add: () => T,
  suggestions: readonly string[] = [],
): T {
  try {
    return add();
  } catch (cause) {
    if (!(cause instanceof SltrainError)) throw cause;
    throw new SltrainError({
      code: "model-shape",
      message: `${subject} cannot take ${inputs.map(({ type }) => formatType(type)).join(" and ")}: ${cause.message}`,
      cause,
      suggestions,
    });
  }
}

export interface SummaryRow {
  readonly layer: string;
  readonly className: string;
  /** Of one sample, without the batch. */
  readonly outputShape: readonly number[];
  readonly parameters: number;
}

/** One row per layer, for printing. Throws as `buildModel` does. */
export function summary(topology: Topology): readonly SummaryRow[] {
  const { graph, layerOutputs } = buildModel(topology, 1, { training: false });
  return topology.layers.map(({ name, className }) => ({
    layer: name,
    className,
    outputShape: layerOutputs.get(name)!.type.shape.slice(1),
    parameters: graph.parameters
      .filter((parameter) => parameter.name.slice(0, parameter.name.lastIndexOf("/")) === name)
      .reduce((sum, parameter) => sum + parameter.length, 0),
  }));
}

/** Trained numbers, padding excluded. */
export function parameterCount(topology: Topology): number {
  return summary(topology).reduce((sum, row) => sum + row.parameters, 0);
}

/** Numbers that the model predicts for one sample. */
export function outputsOf(topology: Topology): number {
  return elementCount(buildModel(topology, 1, { training: false }).outputs.type);
}

/** Of the flat vectors that hold a model's tensors. */
export function layoutsOf(topology: Topology): Readonly<Record<VectorName, Layout>> {
  const { graph } = buildModel(topology, 1, { training: false });
  const [parameters, statistics, frozen] = vectorNames.map((name) => layoutOf(graph[name]));
  return { parameters: parameters!, statistics: statistics!, frozen: frozen! };
}
