// The tf.js peer of `sltrain bench steps`: the same training steps with tf.core's ops, its gradients and its SGD on the
// wasm or the webgpu backend, in a process with V8's default flags. Speaks peer-process.ts's lines (see steps/peer-steps.ts). A model
// that needs a kernel which the backend lacks is "unsupported".

import { createInterface } from "node:readline";
import * as tf from "@tensorflow/tfjs-core";
import type { Activation, Layer, Topology } from "../../src/models/topology.ts";
import type { Run } from "../steps/contender.ts";
import type { StepAnswer, StepRequest } from "../steps/peer-steps.ts";
import { completeTfjsCore } from "./tfjs-core.ts";
import { useTfjsBackend } from "./use-tfjs-backend.ts";

type Request = ({ do: "prepare" } & StepRequest) | { do: "run"; budgetMs: number; minSteps: number };
type Apply = (x: tf.Tensor) => tf.Tensor;
type Pair = [number, number];

const LR = 0.01;

const ACTIVATIONS: Readonly<Partial<Record<Activation, Apply>>> = {
  linear: (x) => x,
  relu: tf.relu,
  tanh: tf.tanh,
  sigmoid: tf.sigmoid,
  softmax: (x) => tf.softmax(x),
};

class Unsupported extends Error {}

/** The layer for inputs of `shape`; its weights become tf variables. */
function layerOf(layer: Layer, shape: readonly number[]): Apply {
  const weights = (...extents: number[]) => tf.variable(tf.randomNormal(extents, 0, 0.05));
  const channels = shape.at(-1)!;
  const withBias = (apply: Apply, units: number): Apply => {
    if (!("useBias" in layer && layer.useBias)) return apply;
    const bias = weights(units);
    return (x) => tf.add(apply(x), bias);
  };
  if (layer.className === "Dense") {
    const kernel = weights(channels, layer.units);
    return withBias((x) => tf.matMul(x, kernel), layer.units);
  }
  if (layer.className === "Conv2D") {
    const { filters, strides, padding, kernelSize } = layer;
    const filter = weights(...kernelSize, channels, filters) as tf.Variable<tf.Rank.R4>;
    return withBias((x) => tf.conv2d(x as tf.Tensor4D, filter, strides as Pair, padding), filters);
  }
  if (layer.className === "MaxPooling2D") {
    const { poolSize, strides, padding } = layer;
    return (x) => tf.maxPool(x as tf.Tensor4D, poolSize as Pair, strides as Pair, padding);
  }
  if (layer.className === "Flatten") return (x) => tf.reshape(x, [x.shape[0], -1]);
  if (layer.className === "Activation") return activationOf(layer.activation);
  throw new Unsupported(`layer ${layer.className}`);
}

function activationOf(name: Activation): Apply {
  const activation = ACTIVATIONS[name];
  if (!activation) throw new Unsupported(`activation ${name}`);
  return activation;
}

/** Logits: a final softmax or sigmoid is the loss's business. */
function modelOf({ layers }: Topology, x: tf.Tensor): Apply {
  const stages: Apply[] = [];
  let value = x;
  for (const [index, layer] of layers.entries()) {
    if (layer.inputs !== undefined) throw new Unsupported("branches");
    const activation = "activation" in layer ? layer.activation : "linear";
    const isLink = index === layers.length - 1 && (activation === "softmax" || activation === "sigmoid");
    const added = layer.className === "Activation" && isLink ? [] : [layerOf(layer, value.shape)];
    if (layer.className !== "Activation" && !isLink) added.push(activationOf(activation));
    stages.push(...added);
    value = added.reduce((input, apply) => apply(input), value);
  }
  return (input) => stages.reduce((current, apply) => apply(current), input);
}

/** One step; returns the loss, which the caller disposes of. */
function prepare({ topology, loss, batchSize }: StepRequest): () => tf.Scalar {
  const x = tf.randomNormal([batchSize, ...topology.inputShape]);
  const model = modelOf(topology, x);
  const outputs = model(x).shape.at(-1)!;
  const lossOf = (): tf.Scalar => {
    const logits = model(x);
    if (loss === "softmax-cross-entropy") return tf.losses.softmaxCrossEntropy(truth, logits);
    if (loss === "sigmoid-cross-entropy") return tf.losses.sigmoidCrossEntropy(truth, logits);
    throw new Unsupported(`loss ${loss}`);
  };
  const truth =
    loss === "softmax-cross-entropy"
      ? tf.cast(tf.oneHot(tf.randomUniform([batchSize], 0, outputs, "int32"), outputs), "float32")
      : tf.cast(tf.randomUniform([batchSize, outputs], 0, 2, "int32"), "float32");
  const optimizer = tf.train.sgd(LR);
  return () => optimizer.minimize(lossOf, true)!;
}

async function run(step: () => tf.Scalar, budgetMs: number, minSteps: number): Promise<Run> {
  const timesMs: number[] = [];
  const losses: number[] = [];
  let beganMs = performance.now();
  const endMs = beganMs + budgetMs;
  while (timesMs.length < minSteps || beganMs < endMs) {
    const loss = tf.tidy(step);
    losses.push((await loss.data())[0]!);
    loss.dispose();
    const nowMs = performance.now();
    timesMs.push(nowMs - beganMs);
    beganMs = nowMs;
  }
  return { timesMs, losses: [losses[0]!, losses.at(-1)!] };
}

await completeTfjsCore();
await useTfjsBackend(process.argv.slice(2));
const say = (answer: object) => process.stdout.write(`${JSON.stringify(answer)}\n`);
say({ tfjs: tf.version_core });
let step: (() => tf.Scalar) | undefined;
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as Request;
  if (request.do === "run") {
    say(await run(step!, request.budgetMs, request.minSteps));
    continue;
  }
  tf.disposeVariables();
  let answer: StepAnswer;
  try {
    step = prepare(request);
    tf.tidy(step).dispose();
    const variables = Object.values(tf.engine().registeredVariables);
    answer = { parameters: variables.reduce((sum, { size }) => sum + size, 0) };
  } catch (error) {
    // "Kernel 'X' not registered for backend 'X'": what tfjs lacks is a result.
    const { message } = error as Error;
    const isLack = error instanceof Unsupported || /not registered/.test(message);
    if (!isLack) throw error;
    answer = { unsupported: message };
  }
  say(answer);
}
