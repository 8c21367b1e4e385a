// Models written in code: layers with Keras's defaults, and a composer that names and connects them.

import {
  MODEL_INPUT,
  type ActivationLayer,
  type Activation,
  type BatchNormalization,
  type CausalSelfAttention,
  type Conv2D,
  type Dense,
  type DepthwiseConv2D,
  type Dropout,
  type Flatten,
  type GlobalAveragePooling2D,
  type InitializerName,
  type KMeans,
  type Layer,
  type LayerNormalization,
  type LocalResponseNormalization,
  type Merge,
  type Padding,
  type Pair,
  type Pooling2D,
  type TokenAndPositionEmbedding,
  type Topology,
} from "./topology.ts";

/** A layer before it has its place in a model. */
type Loose<L> = L extends Layer ? Omit<L, "name" | "inputs"> : never;
export type LooseLayer = Loose<Layer>;

const defaultWeights = {
  useBias: true,
  kernelInitializer: "GlorotUniform",
  biasInitializer: "Zeros",
} as const;

export function dense(units: number, activation: Activation = "linear"): Loose<Dense> {
  return { className: "Dense", units, activation, ...defaultWeights };
}

export interface Conv2DOptions {
  readonly strides?: Pair;
  readonly padding?: Padding;
  readonly activation?: Activation;
  readonly useBias?: boolean;
  readonly kernelInitializer?: InitializerName;
}

/** Stride 1 and "same" padding unless told otherwise. */
export function conv2d(filters: number, kernelSize: Pair, options: Conv2DOptions = {}): Loose<Conv2D> {
  return { className: "Conv2D", filters, ...convolution(kernelSize, options) };
}

/** One filter a channel, stride 1 and "same" padding unless told otherwise. */
export function depthwiseConv2d(kernelSize: Pair, options: Conv2DOptions = {}): Loose<DepthwiseConv2D> {
  return { className: "DepthwiseConv2D", depthMultiplier: 1, ...convolution(kernelSize, options) };
}

function convolution(kernelSize: Pair, options: Conv2DOptions) {
  const defaults = { strides: [1, 1], dilationRate: [1, 1], padding: "same", activation: "linear" } as const;
  return { kernelSize, ...defaults, ...defaultWeights, ...options };
}

/** "valid", with windows that don't overlap, unless told otherwise. */
export function maxPooling2d(
  poolSize: Pair,
  { strides = poolSize, padding = "valid" }: Pick<Conv2DOptions, "strides" | "padding"> = {},
): Loose<Pooling2D> {
  return { className: "MaxPooling2D", poolSize, strides, padding };
}

/** With Keras's constants unless told otherwise. */
export function batchNormalization(
  constants: { readonly momentum?: number; readonly epsilon?: number } = {},
): Loose<BatchNormalization> {
  return {
    ...{ className: "BatchNormalization", momentum: 0.99, epsilon: 1e-3, scale: true, center: true },
    ...constants,
  };
}

export function kMeans(clusters: number): Loose<KMeans> {
  return { className: "KMeans", clusters };
}

export function localResponseNormalization(
  settings: Omit<Loose<LocalResponseNormalization>, "className">,
): Loose<LocalResponseNormalization> {
  return { className: "LocalResponseNormalization", ...settings };
}

/** With Keras's epsilon unless told otherwise. */
export function layerNormalization(epsilon = 1e-3): Loose<LayerNormalization> {
  return { className: "LayerNormalization", epsilon, scale: true, center: true };
}

export function tokenAndPositionEmbedding(
  settings: Omit<Loose<TokenAndPositionEmbedding>, "className">,
): Loose<TokenAndPositionEmbedding> {
  return { className: "TokenAndPositionEmbedding", ...settings };
}

export function causalSelfAttention(numHeads: number): Loose<CausalSelfAttention> {
  return { className: "CausalSelfAttention", numHeads };
}

export function globalAveragePooling2d(): Loose<GlobalAveragePooling2D> {
  return { className: "GlobalAveragePooling2D" };
}

export function flatten(): Loose<Flatten> {
  return { className: "Flatten" };
}

export function dropout(rate: number): Loose<Dropout> {
  return { className: "Dropout", rate };
}

export function activation(name: Activation): Loose<ActivationLayer> {
  return { className: "Activation", activation: name };
}

export function add(): Loose<Merge> {
  return { className: "Add" };
}

/** Puts layers one after the other, or where they are told. */
export class Composer {
  readonly #layers: Layer[] = [];
  readonly #counts = new Map<string, number>();

  /**
   * The new layer's name, as a fresh Keras session gives it: `conv2d`, `conv2d_1`, `dense`. It reads `inputs`: names
   * of earlier layers, or MODEL_INPUT; without them the layer before.
   */
  add(layer: LooseLayer, ...inputs: readonly string[]): string {
    const base = defaultNames[layer.className];
    const count = this.#counts.get(base) ?? 0;
    this.#counts.set(base, count + 1);
    const name = count === 0 ? base : `${base}_${count}`;
    const before = this.#layers.at(-1)?.name ?? MODEL_INPUT;
    const isChained = inputs.length === 0 || (inputs.length === 1 && inputs[0] === before);
    this.#layers.push({ ...layer, name, ...(isChained ? {} : { inputs }) });
    return name;
  }

  topology(name: string, inputShape: readonly number[]): Topology {
    return { name, inputShape, layers: [...this.#layers] };
  }
}

/** A chain of layers. */
export function sequential(
  name: string,
  inputShape: readonly number[],
  layers: readonly LooseLayer[],
): Topology {
  const composer = new Composer();
  for (const layer of layers) composer.add(layer);
  return composer.topology(name, inputShape);
}

/** As Keras counts from. */
export const defaultNames: Readonly<Record<Layer["className"], string>> = {
  Dense: "dense",
  Conv2D: "conv2d",
  DepthwiseConv2D: "depthwise_conv2d",
  MaxPooling2D: "max_pooling2d",
  AveragePooling2D: "average_pooling2d",
  GlobalAveragePooling2D: "global_average_pooling2d",
  BatchNormalization: "batch_normalization",
  Flatten: "flatten",
  Dropout: "dropout",
  Activation: "activation",
  LayerNormalization: "layer_normalization",
  LocalResponseNormalization: "local_response_normalization",
  KMeans: "kmeans",
  LeakyReLU: "leaky_re_lu",
  Add: "add",
  Multiply: "multiply",
  Concatenate: "concatenate",
  Embedding: "embedding",
  TokenAndPositionEmbedding: "token_and_position_embedding",
  CausalSelfAttention: "causal_self_attention",
};
