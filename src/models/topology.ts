// A model in Keras's words, as plain JSON data: it travels in a run's manifest, and `model.json` is its spelling on
// disk. Only what has kernels is expressible here; shapes are worked out when the graph is built.

export const activations = [
  "linear",
  "relu",
  "relu6",
  "tanh",
  "sigmoid",
  "softmax",
  "gelu",
  "swish",
] as const;
export type Activation = (typeof activations)[number];

export const paddings = ["valid", "same"] as const;
export type Padding = (typeof paddings)[number];

/** Height and width. */
export type Pair = readonly [number, number];

/** Variance scaling by Keras's names: variance = scale / fan, uniform or normal. */
export const varianceScalings = {
  GlorotUniform: { scale: 1, mode: "fan_avg", distribution: "uniform" },
  GlorotNormal: { scale: 1, mode: "fan_avg", distribution: "normal" },
  HeUniform: { scale: 2, mode: "fan_in", distribution: "uniform" },
  HeNormal: { scale: 2, mode: "fan_in", distribution: "normal" },
  LecunUniform: { scale: 1, mode: "fan_in", distribution: "uniform" },
  LecunNormal: { scale: 1, mode: "fan_in", distribution: "normal" },
} as const;
export type InitializerName = keyof typeof varianceScalings | "Zeros" | "Ones";

/** Of mean 0, not truncated. */
export interface RandomNormal {
  readonly className: "RandomNormal";
  readonly stddev: number;
}

export type LayerInitializer = InitializerName | RandomNormal;

/** The model's input where a layer names what it reads. */
export const MODEL_INPUT = "@input";

interface LayerBase {
  /** Unique within the model. */
  readonly name: string;
  /** What the layer reads: earlier layers, or MODEL_INPUT. Absent: the layer before, or the model's input. */
  readonly inputs?: readonly string[];
  /** False: its weights stay as they are, and batch norm normalises by its moving averages. */
  readonly trainable?: false;
}

interface Weights {
  readonly activation: Activation;
  readonly useBias: boolean;
  readonly kernelInitializer: LayerInitializer;
  readonly biasInitializer: LayerInitializer;
}

export interface Dense extends LayerBase, Weights {
  readonly className: "Dense";
  readonly units: number;
}

interface ConvolutionWindow {
  readonly kernelSize: Pair;
  readonly strides: Pair;
  /** From tap to tap of the window. */
  readonly dilationRate: Pair;
  readonly padding: Padding;
}

export interface Conv2D extends LayerBase, Weights, ConvolutionWindow {
  readonly className: "Conv2D";
  readonly filters: number;
}

/** Every channel by filters of its own. */
export interface DepthwiseConv2D extends LayerBase, Weights, ConvolutionWindow {
  readonly className: "DepthwiseConv2D";
  /** Filters of a channel. */
  readonly depthMultiplier: number;
}

export interface Pooling2D extends LayerBase {
  readonly className: "MaxPooling2D" | "AveragePooling2D";
  readonly poolSize: Pair;
  readonly strides: Pair;
  readonly padding: Padding;
}

export interface Flatten extends LayerBase {
  readonly className: "Flatten";
}

export interface Dropout extends LayerBase {
  readonly className: "Dropout";
  /** The share of elements that is dropped, in [0, 1). */
  readonly rate: number;
}

export interface ActivationLayer extends LayerBase {
  readonly className: "Activation";
  readonly activation: Activation;
}

/** The mean over the whole image: [height, width, channels] -> [channels]. */
export interface GlobalAveragePooling2D extends LayerBase {
  readonly className: "GlobalAveragePooling2D";
}

/** Over the last axis of each sample. */
export interface LayerNormalization extends LayerBase {
  readonly className: "LayerNormalization";
  /** Added to the variance. */
  readonly epsilon: number;
  readonly scale: boolean;
  readonly center: boolean;
}

/** Across channels, as `tf.nn.local_response_normalization`; Keras has no layer for it. */
export interface LocalResponseNormalization extends LayerBase {
  readonly className: "LocalResponseNormalization";
  /** Channels on either side that count. */
  readonly depthRadius: number;
  readonly bias: number;
  readonly alpha: number;
  readonly beta: number;
}

export interface LeakyReLU extends LayerBase {
  readonly className: "LeakyReLU";
  readonly negativeSlope: number;
}

/** Of two inputs or more, all of one shape. */
export interface Merge extends LayerBase {
  readonly className: "Add" | "Multiply";
}

/** Over all axes but the last. */
export interface BatchNormalization extends LayerBase {
  readonly className: "BatchNormalization";
  /** Share of a moving average that a step keeps. */
  readonly momentum: number;
  /** Added to the variance. */
  readonly epsilon: number;
  /** Whether there is a trained `gamma` (else 1) and a trained `beta` (else 0). */
  readonly scale: boolean;
  readonly center: boolean;
}

/** Of two inputs or more, along the last axis. */
export interface Concatenate extends LayerBase {
  readonly className: "Concatenate";
}

/** A trained row for each token: [T] whole numbers -> [T, outputDim]. */
export interface Embedding extends LayerBase {
  readonly className: "Embedding";
  /** Tokens that there are. */
  readonly inputDim: number;
  readonly outputDim: number;
  readonly embeddingsInitializer: LayerInitializer;
}

/** As KerasHub's: the sum of a row for each token and one for each position, [T] whole numbers -> [T, embeddingDim]. */
export interface TokenAndPositionEmbedding extends LayerBase {
  readonly className: "TokenAndPositionEmbedding";
  readonly vocabularySize: number;
  /** T */
  readonly sequenceLength: number;
  readonly embeddingDim: number;
  readonly embeddingsInitializer: LayerInitializer;
}

/**
 * softmax(q k / sqrt(d)) v over the positions up to one's own, [T, 3 D] -> [T, D]: what Keras's MultiHeadAttention does
 * between its projections, with use_causal_mask. A row is q, k and v of all heads. Keras has no layer for it alone.
 */
export interface CausalSelfAttention extends LayerBase {
  readonly className: "CausalSelfAttention";
  readonly numHeads: number;
}

/** From each sample to the nearest of its centroids: a squared Euclidean distance. Keras has no layer for it. */
export interface KMeans extends LayerBase {
  readonly className: "KMeans";
  readonly clusters: number;
}

/** Layers are told apart by Keras's class name. */
export type Layer =
  | Dense
  | Conv2D
  | DepthwiseConv2D
  | Pooling2D
  | GlobalAveragePooling2D
  | BatchNormalization
  | Flatten
  | Dropout
  | ActivationLayer
  | LayerNormalization
  | LocalResponseNormalization
  | LeakyReLU
  | Merge
  | Concatenate
  | Embedding
  | TokenAndPositionEmbedding
  | CausalSelfAttention
  | KMeans;

/** Whether the layer reads several others. */
export function joins({ className }: Layer): boolean {
  return className === "Add" || className === "Multiply" || className === "Concatenate";
}

export interface Topology {
  readonly name: string;
  /** One sample, without the batch: [features], or [height, width, channels]. */
  readonly inputShape: readonly number[];
  /** Of sparse samples, which come as CSR. */
  readonly sparse?: { readonly maxRowNonZeros: number };
  /** Each after what it reads; the last one is the output, and all others lead to it. */
  readonly layers: readonly Layer[];
}

/** What each layer reads, spelt out. */
export function inputsOf(layers: readonly Layer[]): readonly (readonly string[])[] {
  return layers.map(({ inputs }, index) => inputs ?? [layers[index - 1]?.name ?? MODEL_INPUT]);
}

/** Of a model that takes tokens, how many there are: whole numbers below it. Undefined for one that takes numbers. */
export function vocabularyOf({ layers }: Topology): number | undefined {
  const wiring = inputsOf(layers);
  const first = layers.find((_, index) => wiring[index]!.includes(MODEL_INPUT));
  if (first?.className === "Embedding") return first.inputDim;
  return first?.className === "TokenAndPositionEmbedding" ? first.vocabularySize : undefined;
}
