// sltrain's layers as a user of tf.core writes them, their weights as tf variables.

import * as tf from "@tensorflow/tfjs-core";
import {
  MODEL_INPUT,
  inputsOf,
  type Activation,
  type BatchNormalization,
  type Layer,
  type LayerNormalization,
  type Topology,
} from "../../src/models/topology.ts";

/** What tf.js has no op for, or the peer no translation. */
export class Unsupported extends Error {}

type Apply = (...inputs: readonly tf.Tensor[]) => tf.Tensor;
type Pair = [number, number];

const ACTIVATIONS: Readonly<Partial<Record<Activation, (x: tf.Tensor) => tf.Tensor>>> = {
  linear: (x) => x,
  relu: tf.relu,
  relu6: tf.relu6,
  tanh: tf.tanh,
  sigmoid: tf.sigmoid,
  softmax: (x) => tf.softmax(x),
  swish: (x) => tf.mul(x, tf.sigmoid(x)),
};

/** The model without the final softmax or sigmoid, which is the loss's business; `x` is an example of its inputs. */
export function modelOf({ layers }: Topology, x: tf.Tensor): (x: tf.Tensor) => tf.Tensor {
  const sources = inputsOf(layers);
  const stages: Apply[] = [];
  const run = (input: tf.Tensor): tf.Tensor => {
    const values = new Map([[MODEL_INPUT, input]]);
    for (const [index, layer] of layers.entries()) {
      const inputs = sources[index]!.map((source) => values.get(source)!);
      const stage = (stages[index] ??= stageOf(layer, inputs, index === layers.length - 1));
      values.set(layer.name, stage(...inputs));
    }
    return values.get(layers.at(-1)!.name)!;
  };
  // Weights are made when the shapes of their inputs are first seen.
  tf.tidy(() => run(x));
  return run;
}

/** The layer and its activation, for inputs like these. */
function stageOf(layer: Layer, inputs: readonly tf.Tensor[], isLast: boolean): Apply {
  const activation = "activation" in layer ? layer.activation : "linear";
  const isLink = isLast && (activation === "softmax" || activation === "sigmoid");
  const apply: Apply = layer.className === "Activation" ? (x) => x : layerOf(layer, inputs[0]!.shape);
  if (isLink || activation === "linear") return apply;
  const activate = ACTIVATIONS[activation];
  if (!activate) throw new Unsupported(`activation ${activation}`);
  return (...values) => activate(apply(...values));
}

/** For inputs of `shape`. */
function layerOf(layer: Exclude<Layer, { className: "Activation" }>, shape: readonly number[]): Apply {
  const channels = shape.at(-1)!;
  switch (layer.className) {
    case "Dense": {
      const kernel = weights(channels, layer.units);
      return withBias(layer, layer.units, (x) => tf.matMul(x, kernel));
    }
    case "Conv2D": {
      const { filters, strides, padding, kernelSize, dilationRate } = layer;
      const filter = weights(...kernelSize, channels, filters) as tf.Variable<tf.Rank.R4>;
      return withBias(layer, filters, (x) =>
        tf.conv2d(x as tf.Tensor4D, filter, strides as Pair, padding, "NHWC", dilationRate as Pair),
      );
    }
    case "DepthwiseConv2D": {
      const { depthMultiplier, strides, padding, kernelSize, dilationRate } = layer;
      const filter = weights(...kernelSize, channels, depthMultiplier) as tf.Variable<tf.Rank.R4>;
      return withBias(layer, channels * depthMultiplier, (x) =>
        tf.depthwiseConv2d(x as tf.Tensor4D, filter, strides as Pair, padding, "NHWC", dilationRate as Pair),
      );
    }
    case "MaxPooling2D":
    case "AveragePooling2D": {
      const { poolSize, strides, padding } = layer;
      const pool = layer.className === "MaxPooling2D" ? tf.maxPool : tf.avgPool;
      return (x) => pool(x as tf.Tensor4D, poolSize as Pair, strides as Pair, padding);
    }
    case "GlobalAveragePooling2D":
      return (x) => tf.mean(x, [1, 2]);
    case "Flatten":
      return (x) => tf.reshape(x, [x.shape[0], -1]);
    case "Dropout":
      return (x) => tf.dropout(x, layer.rate);
    case "BatchNormalization":
      return batchNormOf(layer, shape);
    case "LayerNormalization":
      return layerNormOf(layer, channels);
    case "LocalResponseNormalization": {
      const { depthRadius, bias, alpha, beta } = layer;
      return (x) => tf.localResponseNormalization(x as tf.Tensor4D, depthRadius, bias, alpha, beta);
    }
    case "KMeans":
      throw new Unsupported("layer KMeans");
    case "LeakyReLU":
      return (x) => tf.leakyRelu(x, layer.negativeSlope);
    case "Embedding":
    case "TokenAndPositionEmbedding":
    case "CausalSelfAttention":
      throw new Unsupported(`layer ${layer.className}`);
    case "Add":
      return (...values) => values.reduce((sum, value) => tf.add(sum, value));
    case "Multiply":
      return (...values) => values.reduce((product, value) => tf.mul(product, value));
    case "Concatenate":
      return (...values) => tf.concat([...values], -1);
  }
}

function weights(...extents: number[]): tf.Variable {
  return tf.variable(tf.randomNormal(extents, 0, 0.05));
}

function withBias({ useBias }: { readonly useBias: boolean }, units: number, apply: Apply): Apply {
  if (!useBias) return apply;
  const bias = weights(units);
  return (x) => tf.add(apply(x), bias);
}

/** By the batch's own statistics, of which it keeps moving averages. */
function batchNormOf(layer: BatchNormalization, shape: readonly number[]): Apply {
  const { epsilon, momentum, scale, center } = layer;
  const channels = shape.at(-1)!;
  const axes = shape.slice(0, -1).map((_, axis) => axis);
  const gamma = scale ? tf.variable(tf.ones([channels])) : undefined;
  const beta = center ? tf.variable(tf.zeros([channels])) : undefined;
  const averages = [tf.zeros([channels]), tf.ones([channels])].map((value) => tf.variable(value, false));
  return (x) => {
    const { mean, variance } = tf.moments(x, axes);
    for (const [i, value] of [mean, variance].entries())
      averages[i]!.assign(tf.add(tf.mul(averages[i]!, momentum), tf.mul(value, 1 - momentum)));
    return tf.batchNorm(x, mean, variance, beta, gamma, epsilon);
  };
}

function layerNormOf({ epsilon, scale, center }: LayerNormalization, channels: number): Apply {
  const gamma = scale ? tf.variable(tf.ones([channels])) : undefined;
  const beta = center ? tf.variable(tf.zeros([channels])) : undefined;
  return (x) => {
    const { mean, variance } = tf.moments(x, -1, true);
    const normal = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, epsilon)));
    const scaled = gamma ? tf.mul(normal, gamma) : normal;
    return beta ? tf.add(scaled, beta) : scaled;
  };
}
