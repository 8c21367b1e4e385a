// What each layer adds to a graph. Images are NHWC, filters HWIO, dense weights [in, out]; parameters are named as in
// Keras: `conv2d/kernel`, `dense_1/bias`.

import type { GraphBuilder, Initializer } from "../graph/graph.ts";
import { batchNorm, batchNormInference, movingAverage } from "../kernels/ops/batch-norm.ts";
import { biasAdd } from "../kernels/ops/bias.ts";
import { causalAttention } from "../kernels/ops/causal-attention.ts";
import { concat } from "../kernels/ops/concat.ts";
import { conv2d } from "../kernels/ops/conv2d.ts";
import { depthwiseConv2d } from "../kernels/ops/depthwise-conv2d.ts";
import { dropout } from "../kernels/ops/dropout.ts";
import {
  add,
  gelu,
  leakyRelu,
  multiply,
  relu,
  relu6,
  sigmoid,
  silu,
  tanh,
  type NoParams,
} from "../kernels/ops/elementwise.ts";
import { embedding, embeddingGrad } from "../kernels/ops/embedding.ts";
import { fill } from "../kernels/ops/fill.ts";
import { globalAvgPool } from "../kernels/ops/global-avg-pool.ts";
import { kmeansAssign } from "../kernels/ops/kmeans-assign.ts";
import { layerNorm } from "../kernels/ops/layer-norm.ts";
import { localResponseNorm } from "../kernels/ops/local-response-norm.ts";
import { dense } from "../kernels/ops/matmul.ts";
import { avgPool, maxPool } from "../kernels/ops/pooling.ts";
import { reshape } from "../kernels/ops/reshape.ts";
import { bindShapes, expectEqualExtents } from "../kernels/ops/shapes.ts";
import { softmax } from "../kernels/ops/softmax.ts";
import type { Op, Tensor } from "../kernels/op.ts";
import { elementCount } from "../kernels/tensor.ts";
import { addAttentionAt, addEmbeddingsAt, type OnePosition } from "./one-position.ts";
import type { Stage } from "./stages.ts";
import {
  varianceScalings,
  type Activation,
  type BatchNormalization,
  type Conv2D,
  type Dense,
  type DepthwiseConv2D,
  type KMeans,
  type LayerInitializer,
  type LayerNormalization,
  type TokenAndPositionEmbedding,
} from "./topology.ts";

export interface LayerContext {
  readonly builder: GraphBuilder;
  readonly training: boolean;
  /** The input `counters` i32[4] that dropout draws by; undefined where nothing is dropped. */
  readonly counters: (() => Tensor) | undefined;
  /** The layer's place in the model: tells the masks of dropout layers apart. */
  readonly index: number;
  /** Where the model takes one token of each text at a time. */
  readonly at?: OnePosition | undefined;
}

export const activationOps: Readonly<Record<Exclude<Activation, "linear">, Op<NoParams>>> = {
  relu,
  relu6,
  tanh,
  sigmoid,
  softmax,
  gelu,
  swish: silu,
};

/** The stage's output for its inputs [B, ...]. Throws SltrainError "shape-mismatch" where they don't fit. */
export function addLayer(
  { layer, activation }: Stage,
  inputs: readonly Tensor[],
  context: LayerContext,
): Tensor {
  const { builder, counters, index } = context;
  const x = inputs[0]!;
  switch (layer.className) {
    case "Dense":
      return overRows(builder, x, (rows) => {
        const weights = addWeights(builder, layer, [rows.type.shape.at(-1)!, layer.units]);
        return builder.apply(dense, [rows, ...weights], { activation });
      });
    case "Conv2D": {
      const { strides, padding, dilationRate: dilations } = layer;
      const weights = addWeights(builder, layer, [...layer.kernelSize, x.type.shape.at(-1)!, layer.filters]);
      return builder.apply(conv2d, [x, ...weights], { strides, dilations, padding, activation });
    }
    case "DepthwiseConv2D": {
      const { strides, padding, dilationRate: dilations, depthMultiplier } = layer;
      const weights = addWeights(builder, layer, [
        ...layer.kernelSize,
        x.type.shape.at(-1)!,
        depthMultiplier,
      ]);
      return builder.apply(depthwiseConv2d, [x, ...weights], { strides, dilations, padding, activation });
    }
    case "MaxPooling2D":
    case "AveragePooling2D": {
      const { poolSize, strides, padding } = layer;
      return builder.apply(layer.className === "MaxPooling2D" ? maxPool : avgPool, [x], {
        poolSize,
        strides,
        padding,
      });
    }
    case "GlobalAveragePooling2D":
      bindShapes("global-avg-pool", [x.type], { x: "B H W C" });
      return builder.apply(globalAvgPool, [x], {});
    case "BatchNormalization":
      return addBatchNorm({ layer, activation }, x, context);
    case "Flatten": {
      const batchSize = x.type.shape[0]!;
      return builder.apply(reshape, [x], { shape: [batchSize, elementCount(x.type) / batchSize] });
    }
    case "Dropout": {
      if (counters === undefined || layer.rate === 0) return x;
      return builder.apply(dropout, [x, counters()], { rate: layer.rate, layer: index });
    }
    case "Activation":
      if (layer.activation === "linear") return x;
      if (layer.activation === "softmax")
        return overRows(builder, x, (rows) => builder.apply(softmax, [rows], {}));
      return builder.apply(activationOps[layer.activation], [x], {});
    case "LayerNormalization":
      return builder.apply(layerNorm, [x, ...addScaleAndCentre(builder, layer, x)], {
        epsilon: layer.epsilon,
      });
    case "LocalResponseNormalization": {
      const { depthRadius, bias, alpha, beta } = layer;
      return builder.apply(localResponseNorm, [x], { depthRadius, bias, alpha, beta });
    }
    case "KMeans":
      return addKMeans(layer, x, context);
    case "LeakyReLU":
      return builder.apply(leakyRelu, [x], { alpha: layer.negativeSlope });
    case "Concatenate":
      return builder.apply(concat, inputs, {});
    case "Add":
      return inputs.reduce((sum, input, index) =>
        builder.apply(add, [sum, input], index === inputs.length - 1 ? { activation } : {}),
      );
    case "Embedding": {
      const initial = initializer(layer.embeddingsInitializer, layer.inputDim, layer.outputDim);
      const shape = [layer.inputDim, layer.outputDim];
      return builder.apply(embedding, [x, builder.parameter(`${layer.name}/embeddings`, shape, initial)], {});
    }
    case "TokenAndPositionEmbedding":
      return addTokenAndPositionEmbedding(layer, x, context);
    case "CausalSelfAttention":
      if (context.at) return addAttentionAt(builder, context.at, layer, x);
      return builder.add(causalAttention, [x], { heads: layer.numHeads })[0]!;
    case "Multiply":
      return inputs.reduce((product, input) => builder.apply(multiply, [product, input], {}));
  }
}

/** `compute` over x's last axis: a run of tokens, [B, T, C], as its rows [B T, C]. */
function overRows(builder: GraphBuilder, x: Tensor, compute: (rows: Tensor) => Tensor): Tensor {
  if (x.type.shape.length !== 3) return compute(x);
  const [B, T, C] = x.type.shape as [number, number, number];
  const rows = compute(builder.apply(reshape, [x], { shape: [B * T, C] }));
  return builder.apply(reshape, [rows], { shape: [B, T, rows.type.shape[1]!] });
}

/** The rows of all positions are added to each sample as one bias. */
function addTokenAndPositionEmbedding(
  { name, vocabularySize, sequenceLength, embeddingDim, embeddingsInitializer }: TokenAndPositionEmbedding,
  x: Tensor,
  { builder, at }: LayerContext,
): Tensor {
  const table = (part: string, rows: number) =>
    builder.parameter(
      `${name}/${part}`,
      [rows, embeddingDim],
      initializer(embeddingsInitializer, rows, embeddingDim),
    );
  const embeddings = table("embeddings", vocabularySize);
  const positions = table("position_embeddings", sequenceLength);
  if (at) return addEmbeddingsAt(builder, at, x, { tokens: embeddings, positions });
  const { B, T } = bindShapes("token-and-position-embedding", [x.type], { tokens: "i32 B T" });
  expectEqualExtents("token-and-position-embedding", "tokens.shape[1]", T, "sequenceLength", sequenceLength);
  const tokens = builder.apply(embedding, [x, embeddings], {});
  const width = sequenceLength * embeddingDim;
  const sum = builder.apply(
    biasAdd,
    [
      builder.apply(reshape, [tokens], { shape: [B, width] }),
      builder.apply(reshape, [positions], { shape: [width] }),
    ],
    {},
  );
  return builder.apply(reshape, [sum], { shape: [B, T, embeddingDim] });
}

/** Moving averages are those of the biased variance, as Keras 3 keeps them. */
function addBatchNorm(
  { layer, activation }: { readonly layer: BatchNormalization; readonly activation: Stage["activation"] },
  x: Tensor,
  { builder, training }: LayerContext,
): Tensor {
  const { name, momentum, epsilon } = layer;
  const shape = x.type.shape.slice(-1);
  const [gamma, beta] = addScaleAndCentre(builder, layer, x);
  const movingMean = builder.statistic(`${name}/moving_mean`, shape, { kind: "zeros" });
  const movingVariance = builder.statistic(`${name}/moving_variance`, shape, { kind: "ones" });
  const params = { epsilon, activation };
  if (!training)
    return builder.apply(batchNormInference, [x, gamma, beta, movingMean, movingVariance], params);
  const [y, mean, variance] = builder.add(batchNorm, [x, gamma, beta], params);
  builder.update(movingMean, builder.apply(movingAverage, [movingMean, mean!], { momentum }));
  builder.update(movingVariance, builder.apply(movingAverage, [movingVariance, variance!], { momentum }));
  return y!;
}

/**
 * Squared distances [B,1] to the nearest centroid. Training leaves what the next centroids are made of: the sums of the
 * clusters' rows where a gradient would lie, and in the statistics their numbers and sums of squared distances.
 */
function addKMeans({ name, clusters }: KMeans, x: Tensor, { builder, training }: LayerContext): Tensor {
  const { B, D } = bindShapes("k-means", [x.type], { x: "B D" });
  const centroids = builder.parameter(`${name}/centroids`, [clusters, D], { kind: "zeros" });
  const counts = builder.statistic(`${name}/counts`, [clusters], { kind: "zeros" });
  const inertias = builder.statistic(`${name}/inertias`, [clusters], { kind: "zeros" });
  const [assignment, squares] = builder.add(kmeansAssign, [x, centroids], {}) as [Tensor, Tensor];
  const distances = builder.apply(reshape, [squares], { shape: [B, 1] });
  if (!training) return distances;
  const sumsOf = (rows: Tensor) => builder.apply(embeddingGrad, [assignment, rows], { vocabulary: clusters });
  const flatSumsOf = (rows: Tensor) => builder.apply(reshape, [sumsOf(rows)], { shape: [clusters] });
  builder.leaveSums(centroids, sumsOf(x));
  builder.update(counts, flatSumsOf(builder.apply(fill, [], { shape: [B, 1], value: 1 })));
  builder.update(inertias, flatSumsOf(distances));
  return distances;
}

/** gamma and beta of x's last axis: trained, or constants where the layer does without. */
function addScaleAndCentre(
  builder: GraphBuilder,
  { name, scale, center }: BatchNormalization | LayerNormalization,
  x: Tensor,
): readonly [gamma: Tensor, beta: Tensor] {
  const shape = x.type.shape.slice(-1);
  return [
    scale
      ? builder.parameter(`${name}/gamma`, shape, { kind: "ones" })
      : builder.apply(fill, [], { shape, value: 1 }),
    center
      ? builder.parameter(`${name}/beta`, shape, { kind: "zeros" })
      : builder.apply(fill, [], { shape, value: 0 }),
  ];
}

/** Declares kernel and bias; `shape` is the kernel's, its last two extents what Keras takes for inputs and outputs. */
export function addWeights(
  builder: GraphBuilder,
  layer: Dense | Conv2D | DepthwiseConv2D,
  shape: readonly number[],
): readonly Tensor[] {
  const [inputs, outputs] = shape.slice(-2) as [number, number];
  const isDepthwise = layer.className === "DepthwiseConv2D";
  const window = shape.slice(0, -2).reduce((product, extent) => product * extent, 1);
  const initial = (name: LayerInitializer) => initializer(name, window * inputs, window * outputs);
  const kernelName = isDepthwise ? "depthwise_kernel" : "kernel";
  const kernel = builder.parameter(`${layer.name}/${kernelName}`, shape, initial(layer.kernelInitializer));
  if (!layer.useBias) return [kernel];
  const channels = isDepthwise ? inputs * outputs : outputs;
  return [kernel, builder.parameter(`${layer.name}/bias`, [channels], initial(layer.biasInitializer))];
}

/**
 * The graph has one uniform and one normal kind, of variance 2 / (fanIn + fanOut) and 2 / fanIn: fans scaled by the
 * wanted variance express all of Keras's six.
 */
function initializer(name: LayerInitializer, fanIn: number, fanOut: number): Initializer {
  if (typeof name === "object") return { kind: "normal", deviation: name.stddev };
  if (name === "Zeros") return { kind: "zeros" };
  if (name === "Ones") return { kind: "ones" };
  const { scale, mode, distribution } = varianceScalings[name];
  const fan = (mode === "fan_in" ? fanIn : (fanIn + fanOut) / 2) / scale;
  if (distribution === "uniform") return { kind: "glorot-uniform", fanIn: fan, fanOut: fan };
  return { kind: "he-normal", fanIn: 2 * fan };
}
