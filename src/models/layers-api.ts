// What a model's own module imports from "sltrain/layers": layers as functions on symbolic tensors, with Keras's names and
// defaults, except that convolutions pad "same". Nothing is computed here: `model` and `sequential` make plain data.
//
//     export default ({ inputShape, outputs }: ModelIo) => {
//       const x = input(inputShape);
//       const y = conv2d(16, [3, 3], { activation: "relu" })(x);
//       return model(x, dense(outputs, { activation: "softmax" })(flatten()(y)));
//     };

import * as plain from "./compose.ts";
import { input, layer, model, settingsOf, type LayerFunction, type LayerOptions } from "./symbolic.ts";
import type { Activation, InitializerName, Padding, Pair, Topology } from "./topology.ts";

export { input, model, type LayerFunction, type LayerOptions, type SymbolicTensor } from "./symbolic.ts";
export type { ModelIo } from "./model-io.ts";
export type { Activation, InitializerName, Padding, Pair, Topology } from "./topology.ts";

export interface WeightOptions extends LayerOptions {
  /** Default "linear". */
  readonly activation?: Activation;
  /** Default true. */
  readonly useBias?: boolean;
  /** Default "GlorotUniform". */
  readonly kernelInitializer?: InitializerName;
  /** Default "Zeros". */
  readonly biasInitializer?: InitializerName;
}

export interface ConvolutionOptions extends WeightOptions {
  /** Height and width; default [1, 1]. */
  readonly strides?: Pair;
  /** Default "same", unlike Keras. */
  readonly padding?: Padding;
  /** From tap to tap of the window; default [1, 1]. */
  readonly dilationRate?: Pair;
}

export interface PoolingOptions extends LayerOptions {
  /** Default: the size, so that windows don't overlap. */
  readonly strides?: Pair;
  /** Default "valid". */
  readonly padding?: Padding;
}

export interface NormalizationOptions extends LayerOptions {
  /** Added to the variance; default 1e-3. */
  readonly epsilon?: number;
  /** Whether there is a trained gamma; default true. */
  readonly scale?: boolean;
  /** Whether there is a trained beta; default true. */
  readonly center?: boolean;
}

/** [..., inputs] -> [..., units]. A second argument that is a word is the activation. */
export function dense(units: number, options: WeightOptions | Activation = {}): LayerFunction {
  const given = typeof options === "string" ? { activation: options } : options;
  return layer({ ...plain.dense(units), ...settingsOf(given) }, given);
}

/** [height, width, inputs] -> [height', width', filters]. */
export function conv2d(filters: number, kernelSize: Pair, options: ConvolutionOptions = {}): LayerFunction {
  return layer({ ...plain.conv2d(filters, kernelSize), ...settingsOf(options) }, options);
}

/** Each channel by `depthMultiplier` (default 1) filters of its own: [.., .., channels] -> [.., .., channels * multiplier]. */
export function depthwiseConv2d(
  kernelSize: Pair,
  options: ConvolutionOptions & { readonly depthMultiplier?: number } = {},
): LayerFunction {
  return layer({ ...plain.depthwiseConv2d(kernelSize), ...settingsOf(options) }, options);
}

export function maxPooling2d(poolSize: Pair, options: PoolingOptions = {}): LayerFunction {
  return layer({ ...plain.maxPooling2d(poolSize), ...settingsOf(options) }, options);
}

export function averagePooling2d(poolSize: Pair, options: PoolingOptions = {}): LayerFunction {
  const settings = { ...plain.maxPooling2d(poolSize), ...settingsOf(options) };
  return layer({ ...settings, className: "AveragePooling2D" }, options);
}

/** The mean over the image: [height, width, channels] -> [channels]. */
export function globalAveragePooling2d(options: LayerOptions = {}): LayerFunction {
  return layer(plain.globalAveragePooling2d(), options);
}

/** Over all axes but the last; `momentum` (default 0.99) is the share of a moving average that a step keeps. */
export function batchNormalization(
  options: NormalizationOptions & { readonly momentum?: number } = {},
): LayerFunction {
  return layer({ ...plain.batchNormalization(), ...settingsOf(options) }, options);
}

/** Over the last axis of each sample. */
export function layerNormalization(options: NormalizationOptions = {}): LayerFunction {
  const defaults = { epsilon: 1e-3, scale: true, center: true };
  return layer({ className: "LayerNormalization", ...defaults, ...settingsOf(options) }, options);
}

/** Across channels, as tf.nn.local_response_normalization. */
export function localResponseNormalization(
  options: LayerOptions & {
    /** Channels on either side; default 5. */
    readonly depthRadius?: number;
    readonly bias?: number;
    readonly alpha?: number;
    readonly beta?: number;
  } = {},
): LayerFunction {
  const defaults = { depthRadius: 5, bias: 1, alpha: 1, beta: 0.5 };
  return layer(plain.localResponseNormalization({ ...defaults, ...settingsOf(options) }), options);
}

/** Whatever the shape, to a row. */
export function flatten(options: LayerOptions = {}): LayerFunction {
  return layer(plain.flatten(), options);
}

/** Drops a share `rate` of the elements in training, in [0, 1). */
export function dropout(rate: number, options: LayerOptions = {}): LayerFunction {
  return layer(plain.dropout(rate), options);
}

export function activation(name: Activation, options: LayerOptions = {}): LayerFunction {
  return layer(plain.activation(name), options);
}

export function leakyRelu(negativeSlope = 0.3, options: LayerOptions = {}): LayerFunction {
  return layer({ className: "LeakyReLU", negativeSlope }, options);
}

/** Of two tensors or more, all of one shape. */
export function add(options: LayerOptions = {}): LayerFunction {
  return layer({ className: "Add" }, options);
}

/** Of two tensors or more, all of one shape. */
export function multiply(options: LayerOptions = {}): LayerFunction {
  return layer({ className: "Multiply" }, options);
}

/** Of two tensors or more, along the last axis. */
export function concatenate(options: LayerOptions = {}): LayerFunction {
  return layer({ className: "Concatenate" }, options);
}

/** A chain of layers. Throws as `model` does. */
export function sequential(
  inputShape: readonly number[],
  layers: readonly LayerFunction[],
  options: { readonly name?: string } = {},
): Topology {
  const x = input(inputShape);
  return model(
    x,
    layers.reduce((value, next) => next(value), x),
    { name: "sequential", ...options },
  );
}
