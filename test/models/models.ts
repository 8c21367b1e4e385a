// model.json objects as Keras 2, Keras 3 and TensorFlow.js 4.22 write them, for the tests of the parser.

/** tf.js `model.save()`: a conv net with its default (glorotNormal) initializers. */
export const tfjsSequential = {
  modelTopology: {
    class_name: "Sequential",
    config: {
      name: "sequential_1",
      layers: [
        {
          class_name: "Conv2D",
          config: {
            filters: 8,
            kernel_initializer: {
              class_name: "VarianceScaling",
              config: { scale: 1, mode: "fan_avg", distribution: "normal", seed: null },
            },
            kernel_regularizer: null,
            kernel_constraint: null,
            kernel_size: [3, 3],
            strides: [2, 2],
            padding: "same",
            data_format: "channels_last",
            dilation_rate: [1, 1],
            activation: "tanh",
            use_bias: true,
            bias_initializer: { class_name: "Zeros", config: {} },
            bias_regularizer: null,
            activity_regularizer: null,
            bias_constraint: null,
            name: "conv2d_Conv2D1",
            trainable: true,
            batch_input_shape: [null, 28, 28, 1],
            dtype: "float32",
          },
        },
        {
          class_name: "AveragePooling2D",
          config: {
            pool_size: [2, 2],
            padding: "valid",
            strides: [2, 2],
            data_format: "channels_last",
            name: "average_pooling2d_AveragePooling2D1",
            trainable: true,
          },
        },
        { class_name: "Flatten", config: { name: "flatten_Flatten1", trainable: true } },
        {
          class_name: "Dropout",
          config: { rate: 0.25, noise_shape: null, seed: null, name: "dropout_Dropout1", trainable: true },
        },
        {
          class_name: "Dense",
          config: {
            units: 10,
            activation: "softmax",
            use_bias: true,
            kernel_initializer: {
              class_name: "VarianceScaling",
              config: { scale: 2, mode: "fan_in", distribution: "normal", seed: null },
            },
            bias_initializer: { class_name: "Zeros", config: {} },
            kernel_regularizer: null,
            bias_regularizer: null,
            activity_regularizer: null,
            kernel_constraint: null,
            bias_constraint: null,
            name: "dense_Dense1",
            trainable: true,
          },
        },
      ],
    },
    keras_version: "tfjs-layers 4.22.0",
    backend: "tensor_flow.js",
  },
  format: "layers-model",
  weightsManifest: [],
};

/** Keras 2 `model.to_json()` inside `model_config`, functional; layers out of order. */
export const keras2Functional = {
  keras_version: "2.15.0",
  backend: "tensorflow",
  model_config: {
    class_name: "Functional",
    config: {
      name: "model1",
      trainable: true,
      layers: [
        {
          name: "answer",
          class_name: "Activation",
          config: { activation: "sigmoid", name: "answer", trainable: true, dtype: "float32" },
          inbound_nodes: [[["dense", 0, 0, {}]]],
        },
        {
          name: "input_1",
          class_name: "InputLayer",
          config: {
            batch_input_shape: [null, 20],
            dtype: "float32",
            sparse: false,
            ragged: false,
            name: "input_1",
          },
          inbound_nodes: [],
        },
        {
          name: "dense",
          class_name: "Dense",
          config: { units: 1, activation: "linear", use_bias: false, name: "dense", trainable: true },
          inbound_nodes: [[["input_1", 0, 0, {}]]],
        },
      ],
      input_layers: [["input_1", 0, 0]],
      output_layers: [["answer", 0, 0]],
    },
  },
};

const policy = {
  module: "keras",
  class_name: "DTypePolicy",
  config: { name: "float32" },
  registered_name: null,
};

/** Keras 3 `model.to_json()`: policies for dtypes, `keras_history` for references. */
export const keras3Functional = {
  module: "keras.src.models.functional",
  class_name: "Functional",
  config: {
    name: "functional_1",
    trainable: true,
    layers: [
      {
        module: "keras.layers",
        class_name: "InputLayer",
        config: { batch_shape: [null, 6, 6, 2], dtype: "float32", sparse: false, name: "input" },
        registered_name: null,
        name: "input",
        inbound_nodes: [],
      },
      {
        module: "keras.layers",
        class_name: "MaxPooling2D",
        config: {
          name: "pool",
          trainable: true,
          dtype: policy,
          pool_size: [3, 3],
          padding: "same",
          strides: null,
          data_format: "channels_last",
        },
        registered_name: null,
        name: "pool",
        inbound_nodes: [
          {
            args: [
              {
                class_name: "__keras_tensor__",
                config: { shape: [null, 6, 6, 2], dtype: "float32", keras_history: ["input", 0, 0] },
              },
            ],
            kwargs: {},
          },
        ],
      },
    ],
    input_layers: [["input", 0, 0]],
    output_layers: ["pool", 0, 0],
  },
  registered_name: "Functional",
  compile_config: null,
};

/** Keras 3, sequential. */
export const keras3Sequential = {
  module: "keras",
  class_name: "Sequential",
  config: {
    name: "sequential",
    trainable: true,
    dtype: policy,
    layers: [
      {
        module: "keras.layers",
        class_name: "InputLayer",
        config: {
          batch_shape: [null, 4],
          dtype: "float32",
          sparse: false,
          ragged: false,
          name: "input_layer",
        },
        registered_name: null,
      },
      {
        module: "keras.layers",
        class_name: "Dense",
        config: {
          name: "dense",
          trainable: true,
          dtype: policy,
          units: 3,
          activation: "relu",
          use_bias: true,
          kernel_initializer: {
            module: "keras.initializers",
            class_name: "HeUniform",
            config: { seed: null },
            registered_name: null,
          },
          bias_initializer: {
            module: "keras.initializers",
            class_name: "Zeros",
            config: {},
            registered_name: null,
          },
          kernel_regularizer: null,
          bias_regularizer: null,
          kernel_constraint: null,
          bias_constraint: null,
          quantization_config: null,
        },
        registered_name: null,
        build_config: { input_shape: [null, 4] },
      },
    ],
    build_input_shape: [null, 4],
  },
  registered_name: null,
  build_config: { input_shape: [null, 4] },
};
