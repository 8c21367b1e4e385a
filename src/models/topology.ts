// A sequential model in Keras's words, as plain JSON data: it travels in a run's manifest, and `model.json` is its
// spelling on disk. Only what has kernels is expressible here; shapes are worked out when the graph is built.

export const activations = ["linear", "relu", "tanh", "sigmoid", "softmax"] as const;
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

interface Weights {
  readonly activation: Activation;
  readonly useBias: boolean;
  readonly kernelInitializer: InitializerName;
  readonly biasInitializer: InitializerName;
}

export interface Dense extends Weights {
  readonly className: "Dense";
  readonly name: string;
  readonly units: number;
}

export interface Conv2D extends Weights {
  readonly className: "Conv2D";
  readonly name: string;
  readonly filters: number;
  readonly kernelSize: Pair;
  readonly strides: Pair;
  readonly padding: Padding;
}

export interface Pooling2D {
  readonly className: "MaxPooling2D" | "AveragePooling2D";
  readonly name: string;
  readonly poolSize: Pair;
  readonly strides: Pair;
  readonly padding: Padding;
}

export interface Flatten {
  readonly className: "Flatten";
  readonly name: string;
}

export interface Dropout {
  readonly className: "Dropout";
  readonly name: string;
  /** The share of elements that is dropped, in [0, 1). */
  readonly rate: number;
}

export interface ActivationLayer {
  readonly className: "Activation";
  readonly name: string;
  readonly activation: Activation;
}

/** Layers are told apart by Keras's class name; names are unique within a model. */
export type Layer = Dense | Conv2D | Pooling2D | Flatten | Dropout | ActivationLayer;

export interface Topology {
  readonly name: string;
  /** One sample, without the batch: [features], or [height, width, channels]. */
  readonly inputShape: readonly number[];
  readonly layers: readonly Layer[];
}

type Unnamed<L> = L extends Layer ? Omit<L, "name"> : never;

export function dense(units: number, activation: Activation = "linear"): Unnamed<Dense> {
  return { className: "Dense", units, activation, ...defaultWeights };
}

/** Stride 1. */
export function conv2d(
  filters: number,
  kernelSize: Pair,
  padding: Padding,
  activation: Activation = "linear",
): Unnamed<Conv2D> {
  return {
    className: "Conv2D",
    filters,
    kernelSize,
    strides: [1, 1],
    padding,
    activation,
    ...defaultWeights,
  };
}

/** Windows that don't overlap. */
export function maxPooling2d(poolSize: Pair): Unnamed<Pooling2D> {
  return { className: "MaxPooling2D", poolSize, strides: poolSize, padding: "valid" };
}

export function flatten(): Unnamed<Flatten> {
  return { className: "Flatten" };
}

const defaultWeights = {
  useBias: true,
  kernelInitializer: "GlorotUniform",
  biasInitializer: "Zeros",
} as const;

/** Names the layers as a fresh Keras session does: `conv2d`, `conv2d_1`, `dense`. */
export function sequential(
  name: string,
  inputShape: readonly number[],
  layers: readonly Unnamed<Layer>[],
): Topology {
  const seen = new Map<string, number>();
  const named = layers.map((layer): Layer => {
    const base = defaultNames[layer.className];
    const count = seen.get(base) ?? 0;
    seen.set(base, count + 1);
    return { ...layer, name: count === 0 ? base : `${base}_${count}` };
  });
  return { name, inputShape, layers: named };
}

const defaultNames: Readonly<Record<Layer["className"], string>> = {
  Dense: "dense",
  Conv2D: "conv2d",
  MaxPooling2D: "max_pooling2d",
  AveragePooling2D: "average_pooling2d",
  Flatten: "flatten",
  Dropout: "dropout",
  Activation: "activation",
};
