// The layers' `config` objects as Keras 2, Keras 3 and TensorFlow.js write them (https://keras.io/api/layers).
// A key or value outside these schemas is refused by name: it would silently train another model.

import { z } from "zod";
import {
  activations,
  paddings,
  varianceScalings,
  type InitializerName,
  type LayerInitializer,
  type Layer,
  type Pair,
} from "./topology.ts";

export const countSchema = z.int().positive();

/** Keras takes one number for height and width alike. */
function asPair(value: unknown): unknown {
  return typeof value === "number" ? [value, value] : value;
}

const pair = z.preprocess(asPair, z.tuple([countSchema, countSchema])) as z.ZodType<Pair>;

/** parse-topology.ts counts it from the end. */
const lastAxis = z.literal(-1).optional();

/** Keras 3 wraps it: `{"class_name":"DTypePolicy","config":{"name":"float32"}}`. */
const float32 = z.preprocess(
  (value) =>
    z.object({ config: z.object({ name: z.unknown() }) }).safeParse(value).data?.config.name ?? value,
  z.literal("float32"),
);

const initializerNames = [...Object.keys(varianceScalings), "Zeros", "Ones"] as readonly InitializerName[];

/** tf.js writes all scaled initializers as VarianceScaling, and Keras has two words for the (truncated) normal one. */
function initializerName(
  className: string,
  config: Readonly<Record<string, unknown>>,
): InitializerName | undefined {
  const named = initializerNames.find((name) => name === className);
  if (named !== undefined || className !== "VarianceScaling") return named;
  const distribution = config.distribution === "truncated_normal" ? "normal" : config.distribution;
  return initializerNames.find((name) => {
    const known =
      name in varianceScalings ? varianceScalings[name as keyof typeof varianceScalings] : undefined;
    return (
      known?.scale === config.scale && known?.mode === config.mode && known?.distribution === distribution
    );
  });
}

const initializer = z.preprocess(
  (value) => (typeof value === "string" ? { class_name: pascalCase(value) } : value),
  z
    .object({ class_name: z.string(), config: z.record(z.string(), z.unknown()).default({}) })
    .transform(({ class_name, config }, context): LayerInitializer => {
      const { mean = 0, stddev = 0.05 } = config;
      if (class_name === "RandomNormal" && mean === 0 && typeof stddev === "number" && stddev > 0)
        return { className: "RandomNormal", stddev };
      const name = initializerName(class_name, config);
      if (name !== undefined) return name;
      context.issues.push({
        code: "invalid_value",
        values: [...initializerNames, "RandomNormal"],
        input: class_name === "VarianceScaling" ? { class_name, config } : class_name,
      });
      return z.NEVER;
    }),
);

function only(name: InitializerName) {
  return initializer.pipe(z.literal(name)).optional();
}

/** `glorot_uniform` and `glorotUniform` are GlorotUniform. */
function pascalCase(name: string): string {
  return name.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** What any layer's config may say besides its own keys; the input's shape is read with the model. */
const common = {
  name: z.string().min(1),
  dtype: float32.optional(),
  trainable: z.boolean().optional(),
  batch_input_shape: z.unknown().optional(),
  batch_shape: z.unknown().optional(),
};

/** Keras has two words for one activation; TensorFlow.js knows only the older. */
const activation = z.preprocess((value) => (value === "silu" ? "swish" : value), z.enum(activations));

const weights = {
  activation: activation.default("linear"),
  use_bias: z.boolean().default(true),
  kernel_initializer: initializer.default("GlorotUniform"),
  bias_initializer: initializer.default("Zeros"),
};

const { kernel_initializer: depthwise_initializer, ...otherWeights } = weights;
const depthwiseWeights = { ...otherWeights, depthwise_initializer };

const grid = {
  padding: z.enum(paddings).default("valid"),
  data_format: z.literal("channels_last").optional(),
};

const pooling = {
  ...common,
  ...grid,
  pool_size: pair.default([2, 2]),
  strides: pair.optional(),
};

const slope = z.number().min(0).optional();

/** Normalisation over the channels. */
const centring = {
  axis: lastAxis,
  epsilon: z.number().positive().default(1e-3),
  scale: z.boolean().default(true),
  center: z.boolean().default(true),
  gamma_initializer: only("Ones"),
  beta_initializer: only("Zeros"),
};

/** By class name: from a layer's config without its nulls to the layer. */
export const layerSchemas: Readonly<Record<Layer["className"] | "ReLU" | "Softmax", z.ZodType<Layer>>> = {
  Dense: z
    .strictObject({ ...common, ...weights, units: countSchema })
    .transform((c) => ({ className: "Dense", name: c.name, units: c.units, ...readWeights(c) })),
  Conv2D: z
    .strictObject({
      ...common,
      ...weights,
      ...grid,
      filters: countSchema,
      kernel_size: pair,
      strides: pair.default([1, 1]),
      dilation_rate: pair.default([1, 1]),
      groups: z.literal(1).optional(),
      rank: z.literal(2).optional(),
    })
    .transform((c) => ({
      className: "Conv2D",
      name: c.name,
      filters: c.filters,
      kernelSize: c.kernel_size,
      strides: c.strides,
      dilationRate: c.dilation_rate,
      padding: c.padding,
      ...readWeights(c),
    })),
  DepthwiseConv2D: z
    .strictObject({
      ...common,
      ...depthwiseWeights,
      ...grid,
      depth_multiplier: countSchema.default(1),
      kernel_size: pair,
      strides: pair.default([1, 1]),
      dilation_rate: pair.default([1, 1]),
      groups: z.literal(1).optional(),
      rank: z.literal(2).optional(),
    })
    .transform((c) => ({
      className: "DepthwiseConv2D",
      name: c.name,
      depthMultiplier: c.depth_multiplier,
      kernelSize: c.kernel_size,
      strides: c.strides,
      dilationRate: c.dilation_rate,
      padding: c.padding,
      ...readWeights({ ...c, kernel_initializer: c.depthwise_initializer }),
    })),
  MaxPooling2D: z.strictObject(pooling).transform((c) => ({ className: "MaxPooling2D", ...readPooling(c) })),
  AveragePooling2D: z
    .strictObject(pooling)
    .transform((c) => ({ className: "AveragePooling2D", ...readPooling(c) })),
  GlobalAveragePooling2D: z
    .strictObject({
      ...common,
      data_format: z.literal("channels_last").optional(),
      keepdims: z.literal(false).optional(),
    })
    .transform((c) => ({ className: "GlobalAveragePooling2D", name: c.name })),
  BatchNormalization: z
    .strictObject({
      ...common,
      ...centring,
      momentum: z.number().min(0).max(1).default(0.99),
      moving_mean_initializer: only("Zeros"),
      moving_variance_initializer: only("Ones"),
      synchronized: z.literal(false).optional(),
      renorm: z.literal(false).optional(),
    })
    .transform((c) => ({
      className: "BatchNormalization",
      name: c.name,
      momentum: c.momentum,
      epsilon: c.epsilon,
      scale: c.scale,
      center: c.center,
    })),
  Flatten: z
    .strictObject({ ...common, data_format: z.literal("channels_last").optional() })
    .transform((c) => ({ className: "Flatten", name: c.name })),
  Dropout: z
    // Keras's own seed is left: masks are a function of the run's seed.
    .strictObject({ ...common, rate: z.number().min(0).lt(1), seed: z.unknown().optional() })
    .transform((c) => ({ className: "Dropout", name: c.name, rate: c.rate })),
  Activation: z
    .strictObject({ ...common, activation })
    .transform((c) => ({ className: "Activation", name: c.name, activation: c.activation })),
  // Layers that are activations under a name of their own.
  ReLU: z
    .strictObject({
      ...common,
      max_value: z.literal(6).optional(),
      negative_slope: z.literal(0).optional(),
      threshold: z.literal(0).optional(),
    })
    .transform((c) => ({
      className: "Activation",
      name: c.name,
      activation: c.max_value === undefined ? "relu" : "relu6",
    })),
  Softmax: z
    .strictObject({ ...common, axis: lastAxis })
    .transform((c) => ({ className: "Activation", name: c.name, activation: "softmax" })),
  KMeans: z
    .strictObject({ ...common, clusters: countSchema })
    .transform((c) => ({ className: "KMeans", name: c.name, clusters: c.clusters })),
  LeakyReLU: z.strictObject({ ...common, alpha: slope, negative_slope: slope }).transform((c) => ({
    className: "LeakyReLU",
    name: c.name,
    negativeSlope: c.negative_slope ?? c.alpha ?? 0.3,
  })),
  LayerNormalization: z
    .strictObject({ ...common, ...centring, rms_scaling: z.literal(false).optional() })
    .transform((c) => ({
      className: "LayerNormalization",
      name: c.name,
      epsilon: c.epsilon,
      scale: c.scale,
      center: c.center,
    })),
  // With the names and defaults of tf.nn.local_response_normalization.
  LocalResponseNormalization: z
    .strictObject({
      ...common,
      depth_radius: z.int().min(0).default(5),
      bias: z.number().positive().default(1),
      alpha: z.number().min(0).default(1),
      beta: z.number().default(0.5),
    })
    .transform((c) => ({
      className: "LocalResponseNormalization",
      name: c.name,
      depthRadius: c.depth_radius,
      bias: c.bias,
      alpha: c.alpha,
      beta: c.beta,
    })),
  Embedding: z
    .strictObject({
      ...common,
      input_dim: countSchema,
      output_dim: countSchema,
      input_length: countSchema.optional(),
      embeddings_initializer: initializer.default({ className: "RandomNormal", stddev: 0.05 }),
      mask_zero: z.literal(false).optional(),
    })
    .transform((c) => ({
      className: "Embedding",
      name: c.name,
      inputDim: c.input_dim,
      outputDim: c.output_dim,
      embeddingsInitializer: c.embeddings_initializer,
    })),
  TokenAndPositionEmbedding: z
    .strictObject({
      ...common,
      vocabulary_size: countSchema,
      sequence_length: countSchema,
      embedding_dim: countSchema,
      embeddings_initializer: initializer.default("GlorotUniform"),
      tie_weights: z.boolean().optional(),
      mask_zero: z.literal(false).optional(),
    })
    .transform((c) => ({
      className: "TokenAndPositionEmbedding",
      name: c.name,
      vocabularySize: c.vocabulary_size,
      sequenceLength: c.sequence_length,
      embeddingDim: c.embedding_dim,
      embeddingsInitializer: c.embeddings_initializer,
    })),
  CausalSelfAttention: z
    .strictObject({ ...common, num_heads: countSchema })
    .transform((c) => ({ className: "CausalSelfAttention", name: c.name, numHeads: c.num_heads })),
  Add: z.strictObject(common).transform((c) => ({ className: "Add", name: c.name })),
  Multiply: z.strictObject(common).transform((c) => ({ className: "Multiply", name: c.name })),
  Concatenate: z
    .strictObject({ ...common, axis: lastAxis })
    .transform((c) => ({ className: "Concatenate", name: c.name })),
};

type Config<S extends z.ZodRawShape> = z.output<z.ZodObject<S>>;

function readWeights(c: Config<typeof weights>) {
  return {
    activation: c.activation,
    useBias: c.use_bias,
    kernelInitializer: c.kernel_initializer,
    biasInitializer: c.bias_initializer,
  };
}

function readPooling(c: Config<typeof pooling>) {
  return { name: c.name, poolSize: c.pool_size, strides: c.strides ?? c.pool_size, padding: c.padding };
}
