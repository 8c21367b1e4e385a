// Writes a topology as the model.json that `tf.loadLayersModel` reads, and Keras's `model_from_json` from its
// `modelTopology`. Weights are apart. Stands alone so that a worker need not load the schemas of the reader.

import {
  inputsOf,
  MODEL_INPUT,
  vocabularyOf,
  type Layer,
  type LayerInitializer,
  type Topology,
} from "./topology.ts";

/** `others` are more keys of the file: where its weights are, say. */
export function formatTopology(topology: Topology, others: Readonly<Record<string, unknown>> = {}): string {
  const model = {
    format: "layers-model",
    generatedBy: "sltrain",
    convertedBy: null,
    modelTopology: {
      ...(topology.layers.some(({ inputs }) => inputs !== undefined)
        ? functional(topology)
        : sequential(topology)),
      keras_version: "2.15.0",
      backend: "tensorflow",
    },
    ...others,
  };
  return `${JSON.stringify(model, undefined, 2)}\n`;
}

function sequential(topology: Topology) {
  const layers = [inputLayer(topology), ...topology.layers.map(entry)];
  return { class_name: "Sequential", config: { name: topology.name, layers } };
}

function functional(topology: Topology) {
  const input = inputLayer(topology);
  const reference = (layer: string) => [layer === MODEL_INPUT ? input.config.name : layer, 0, 0];
  const wiring = inputsOf(topology.layers);
  const layers = [
    { ...input, name: input.config.name, inbound_nodes: [] },
    ...topology.layers.map((layer, index) => ({
      ...entry(layer),
      name: layer.name,
      inbound_nodes: [wiring[index]!.map((source) => [...reference(source), {}])],
    })),
  ];
  const output = topology.layers.at(-1)!.name;
  return {
    class_name: "Functional",
    config: {
      name: topology.name,
      layers,
      input_layers: [reference(MODEL_INPUT)],
      output_layers: [reference(output)],
    },
  };
}

function inputLayer(topology: Topology) {
  const { inputShape, layers } = topology;
  return {
    class_name: "InputLayer",
    config: {
      name: `${layers[0]!.name}_input`,
      batch_input_shape: [null, ...inputShape],
      dtype: vocabularyOf(topology) === undefined ? "float32" : "int32",
      sparse: false,
    },
  };
}

function entry(layer: Layer) {
  const { trainable } = layer;
  const config = { ...kerasConfig(layer), ...(trainable === false && { trainable }) };
  return { class_name: layer.className, config };
}

function kerasConfig(layer: Layer): Readonly<Record<string, unknown>> {
  switch (layer.className) {
    case "Dense":
      return { name: layer.name, units: layer.units, ...writeWeights(layer) };
    case "Conv2D":
      return {
        name: layer.name,
        filters: layer.filters,
        kernel_size: layer.kernelSize,
        strides: layer.strides,
        padding: layer.padding,
        data_format: "channels_last",
        dilation_rate: layer.dilationRate,
        ...writeWeights(layer),
      };
    case "DepthwiseConv2D": {
      const { kernel_initializer: depthwise_initializer, ...weights } = writeWeights(layer);
      return {
        name: layer.name,
        depth_multiplier: layer.depthMultiplier,
        kernel_size: layer.kernelSize,
        strides: layer.strides,
        padding: layer.padding,
        data_format: "channels_last",
        dilation_rate: layer.dilationRate,
        depthwise_initializer,
        ...weights,
      };
    }
    case "MaxPooling2D":
    case "AveragePooling2D":
      return {
        name: layer.name,
        pool_size: layer.poolSize,
        strides: layer.strides,
        padding: layer.padding,
        data_format: "channels_last",
      };
    case "GlobalAveragePooling2D":
      return { name: layer.name, data_format: "channels_last" };
    case "BatchNormalization":
      return {
        name: layer.name,
        axis: -1,
        momentum: layer.momentum,
        epsilon: layer.epsilon,
        scale: layer.scale,
        center: layer.center,
      };
    case "Concatenate":
      return { name: layer.name, axis: -1 };
    case "LayerNormalization":
      return {
        name: layer.name,
        axis: -1,
        epsilon: layer.epsilon,
        scale: layer.scale,
        center: layer.center,
      };
    case "LocalResponseNormalization":
      return {
        name: layer.name,
        depth_radius: layer.depthRadius,
        bias: layer.bias,
        alpha: layer.alpha,
        beta: layer.beta,
      };
    case "KMeans":
      return { name: layer.name, clusters: layer.clusters };
    case "LeakyReLU":
      // Keras 3 says negative_slope, and takes alpha as well.
      return { name: layer.name, alpha: layer.negativeSlope };
    case "Embedding":
      return {
        name: layer.name,
        input_dim: layer.inputDim,
        output_dim: layer.outputDim,
        embeddings_initializer: writeInitializer(layer.embeddingsInitializer),
      };
    case "TokenAndPositionEmbedding":
      return {
        name: layer.name,
        vocabulary_size: layer.vocabularySize,
        sequence_length: layer.sequenceLength,
        embedding_dim: layer.embeddingDim,
        embeddings_initializer: writeInitializer(layer.embeddingsInitializer),
      };
    case "CausalSelfAttention":
      return { name: layer.name, num_heads: layer.numHeads };
    case "Flatten":
    case "Multiply":
    case "Add":
      return { name: layer.name };
    case "Dropout":
      return { name: layer.name, rate: layer.rate };
    case "Activation":
      return { name: layer.name, activation: layer.activation };
  }
}

function writeWeights(layer: Extract<Layer, { useBias: boolean }>) {
  return {
    activation: layer.activation,
    use_bias: layer.useBias,
    kernel_initializer: writeInitializer(layer.kernelInitializer),
    bias_initializer: writeInitializer(layer.biasInitializer),
  };
}

function writeInitializer(initializer: LayerInitializer) {
  if (typeof initializer === "string") return { class_name: initializer, config: {} };
  return { class_name: initializer.className, config: { mean: 0, stddev: initializer.stddev } };
}
