// Writes a topology as the model.json that `tf.loadLayersModel` reads, and Keras's `model_from_json` from its
// `modelTopology`. Weights are apart. Stands alone so that a worker need not load the schemas of the reader.

import type { Layer, Topology } from "./topology.ts";

export function formatTopology({ name, inputShape, layers }: Topology): string {
  const input = {
    class_name: "InputLayer",
    config: {
      name: `${layers[0]!.name}_input`,
      batch_input_shape: [null, ...inputShape],
      dtype: "float32",
      sparse: false,
    },
  };
  const entries = layers.map((layer) => ({ class_name: layer.className, config: kerasConfig(layer) }));
  const model = {
    format: "layers-model",
    generatedBy: "sltrain",
    convertedBy: null,
    modelTopology: {
      class_name: "Sequential",
      config: { name, layers: [input, ...entries] },
      keras_version: "2.15.0",
      backend: "tensorflow",
    },
  };
  return `${JSON.stringify(model, undefined, 2)}\n`;
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
        dilation_rate: [1, 1],
        ...writeWeights(layer),
      };
    case "MaxPooling2D":
    case "AveragePooling2D":
      return {
        name: layer.name,
        pool_size: layer.poolSize,
        strides: layer.strides,
        padding: layer.padding,
        data_format: "channels_last",
      };
    case "Flatten":
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
    kernel_initializer: { class_name: layer.kernelInitializer, config: {} },
    bias_initializer: { class_name: layer.biasInitializer, config: {} },
  };
}
