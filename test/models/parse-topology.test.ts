import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { SltrainError } from "../../src/errors.ts";
import { builtinModels } from "../../src/models/builtin.ts";
import { formatTopology } from "../../src/models/format-topology.ts";
import { parseTopology } from "../../src/models/parse-topology.ts";
import { keras2Functional, keras3Functional, keras3Sequential, tfjsSequential } from "./models.ts";

function parse(model: unknown) {
  return parseTopology(JSON.stringify(model), "model.json");
}

/** A Sequential model of 8x8x3 images with one layer. */
function withLayer(class_name: string, config: object) {
  const input = { class_name: "InputLayer", config: { batch_input_shape: [null, 8, 8, 3] } as object };
  return { class_name: "Sequential", config: { layers: [input, { class_name, config }] } };
}

function input(name: string) {
  return {
    name,
    class_name: "InputLayer",
    config: { name, batch_input_shape: [null, 4] },
    inbound_nodes: [],
  };
}

function flatten(name: string, ...sources: string[]) {
  const inbound_nodes = sources.length === 0 ? [] : [sources.map((source) => [source, 0, 0, {}])];
  return { name, class_name: "Flatten", config: { name }, inbound_nodes };
}

function functional(layers: readonly object[], output: string) {
  const config = { layers, input_layers: [["a", 0, 0]], output_layers: [[output, 0, 0]] };
  return { class_name: "Functional", config };
}

suite("parseTopology reads", () => {
  test("a sequential model of TensorFlow.js", () => {
    const weights = { useBias: true, biasInitializer: "Zeros" };
    assert.deepEqual(parse(tfjsSequential), {
      name: "sequential_1",
      inputShape: [28, 28, 1],
      layers: [
        {
          ...{ className: "Conv2D", name: "conv2d_Conv2D1", filters: 8, kernelSize: [3, 3], strides: [2, 2] },
          ...{ dilationRate: [1, 1] },
          ...{ padding: "same", activation: "tanh", kernelInitializer: "GlorotNormal", ...weights },
        },
        {
          ...{ className: "AveragePooling2D", name: "average_pooling2d_AveragePooling2D1" },
          ...{ poolSize: [2, 2], strides: [2, 2], padding: "valid" },
        },
        { className: "Flatten", name: "flatten_Flatten1" },
        { className: "Dropout", name: "dropout_Dropout1", rate: 0.25 },
        {
          ...{ className: "Dense", name: "dense_Dense1", units: 10, activation: "softmax" },
          ...{ kernelInitializer: "HeNormal", ...weights },
        },
      ],
    });
  });

  test("a functional model of Keras 2 in the order of its connections", () => {
    const { inputShape, layers } = parse(keras2Functional);
    assert.deepEqual(inputShape, [20]);
    assert.deepEqual(
      layers.map(({ name }) => name),
      ["dense", "answer"],
    );
  });

  test("a functional model of Keras 3, whose pool strides by its size where it says nothing", () => {
    assert.deepEqual(parse(keras3Functional).layers, [
      { className: "MaxPooling2D", name: "pool", poolSize: [3, 3], strides: [3, 3], padding: "same" },
    ]);
  });

  test("branches, each layer after what it reads and otherwise in the file's order", () => {
    const add = (name: string, ...sources: string[]) => ({ ...flatten(name, ...sources), class_name: "Add" });
    const both = {
      ...flatten("both", "sum", "a"),
      ...{ class_name: "Concatenate", config: { name: "both", axis: 1 } },
    };
    const layers = [
      both,
      add("sum", "left", "right", "a"),
      flatten("right", "a"),
      input("a"),
      flatten("left", "a"),
    ];
    const topology = parse(functional(layers, "both"));
    assert.deepEqual(topology.layers, [
      { className: "Flatten", name: "right" },
      { className: "Flatten", name: "left", inputs: ["@input"] },
      { className: "Add", name: "sum", inputs: ["left", "right", "@input"] },
      { className: "Concatenate", name: "both", inputs: ["sum", "@input"] },
    ]);
    assert.deepEqual(parse(JSON.parse(formatTopology(topology))), topology);
  });

  test("a depthwise convolution, whose initializer has a name of its own, and writes it back", () => {
    const config = { kernel_size: 3, strides: [2, 2], depth_multiplier: 2, padding: "same", use_bias: false };
    const topology = parse(
      withLayer("DepthwiseConv2D", { name: "d", ...config, depthwise_initializer: "he_normal" }),
    );
    assert.deepEqual(topology.layers, [
      {
        ...{
          className: "DepthwiseConv2D",
          name: "d",
          depthMultiplier: 2,
          kernelSize: [3, 3],
          strides: [2, 2],
        },
        ...{ dilationRate: [1, 1], padding: "same", activation: "linear", useBias: false },
        ...{ kernelInitializer: "HeNormal", biasInitializer: "Zeros" },
      },
    ]);
    assert.deepEqual(parse(JSON.parse(formatTopology(topology))), topology);
  });

  test("batch normalisation over the last axis, however it is counted, with Keras's constants", () => {
    const expected = { className: "BatchNormalization", name: "b", momentum: 0.99, epsilon: 0.001 };
    for (const axis of [-1, 3, [3]]) {
      const { layers } = parse(
        withLayer("BatchNormalization", { name: "b", axis, gamma_initializer: "ones" }),
      );
      assert.deepEqual(layers, [{ ...expected, scale: true, center: true }]);
    }
    const flat = withLayer("Flatten", { name: "f" });
    const config = { name: "b", axis: [1], momentum: 0.9, epsilon: 1e-5, scale: false, center: false };
    flat.config.layers.push({ class_name: "BatchNormalization", config });
    const { layers } = parse(flat);
    const plain = { className: "BatchNormalization", name: "b", momentum: 0.9, epsilon: 1e-5 };
    assert.deepEqual(layers[1], { ...plain, scale: false, center: false });
    assert.deepEqual(parse(JSON.parse(formatTopology(parse(flat)))), parse(flat));
  });

  test("layers that are activations, and layers whose settings differ from version to version", () => {
    const cases = [
      ["ReLU", {}, { className: "Activation", activation: "relu" }],
      ["ReLU", { max_value: 6 }, { className: "Activation", activation: "relu6" }],
      ["Softmax", { axis: -1 }, { className: "Activation", activation: "softmax" }],
      ["Activation", { activation: "silu" }, { className: "Activation", activation: "swish" }],
      ["LeakyReLU", { alpha: 0.1 }, { className: "LeakyReLU", negativeSlope: 0.1 }],
      ["LeakyReLU", { negative_slope: 0.2 }, { className: "LeakyReLU", negativeSlope: 0.2 }],
      ["LeakyReLU", {}, { className: "LeakyReLU", negativeSlope: 0.3 }],
      [
        "LayerNormalization",
        { axis: [3] },
        { className: "LayerNormalization", epsilon: 1e-3, scale: true, center: true },
      ],
      [
        "LocalResponseNormalization",
        { depth_radius: 4, alpha: 1e-4, beta: 0.75 },
        { className: "LocalResponseNormalization", depthRadius: 4, bias: 1, alpha: 1e-4, beta: 0.75 },
      ],
    ] as const;
    for (const [className, config, layer] of cases) {
      const topology = parse(withLayer(className, { name: "x", ...config }));
      assert.deepEqual(topology.layers, [{ name: "x", ...layer }]);
      assert.deepEqual(parse(JSON.parse(formatTopology(topology))), topology);
    }
  });

  test("a sequential model of Keras 3", () => {
    const { inputShape, layers } = parse(keras3Sequential);
    assert.deepEqual(inputShape, [4]);
    assert.deepEqual(layers[0], {
      ...{ className: "Dense", name: "dense", units: 3, activation: "relu" },
      ...{ useBias: true, kernelInitializer: "HeUniform", biasInitializer: "Zeros" },
    });
  });

  test("the input's shape from build_input_shape where no layer says it", () => {
    const config = {
      build_input_shape: [null, 5],
      layers: [{ class_name: "Flatten", config: { name: "f" } }],
    };
    assert.deepEqual(parse({ class_name: "Sequential", config }).inputShape, [5]);
  });

  test("what formatTopology writes of every built-in model", () => {
    for (const model of builtinModels) {
      const tokens = model.name === "gpt-nano";
      const original = model.topology({ inputShape: tokens ? [16] : [32, 32, 3], outputs: 10, tokens });
      assert.deepEqual(parseTopology(formatTopology(original), model.name), original);
    }
  });

  test("what formatTopology writes of every kind of layer and initializer", () => {
    for (const model of [tfjsSequential, keras2Functional, keras3Functional, keras3Sequential]) {
      const topology = parse(model);
      assert.deepEqual(parseTopology(formatTopology(topology), "again"), topology);
    }
  });
});

suite("parseTopology refuses as model-unsupported, naming the layer and the path,", () => {
  const conv = { name: "c", filters: 4, kernel_size: 3 };
  const dense = { name: "d", units: 4 };
  const cases: readonly (readonly [what: string, model: unknown, message: RegExp, supported?: RegExp])[] = [
    [
      "an unknown layer",
      withLayer("LSTM", { name: "l" }),
      /LSTM layer "l"/,
      /Dense, Conv2D, .*Add, Multiply, Concatenate/,
    ],
    ["a layer with a name of Object's", withLayer("constructor", { name: "l" }), /constructor layer "l"/],
    [
      "an unknown activation",
      withLayer("Dense", { ...dense, activation: "selu" }),
      /Dense layer "d": activation = "selu" .*config\.activation/,
      /linear, relu, relu6, tanh/,
    ],
    [
      "channels first",
      withLayer("Conv2D", { ...conv, data_format: "channels_first" }),
      /Conv2D layer "c": data_format = "channels_first"/,
      /channels_last/,
    ],
    [
      "batch normalisation of channels that come first",
      withLayer("BatchNormalization", { name: "b", axis: 1 }),
      /BatchNormalization layer "b": axis = 1 /,
      /-1/,
    ],
    [
      "moving averages that begin elsewhere",
      withLayer("BatchNormalization", { name: "b", moving_mean_initializer: "ones" }),
      /moving_mean_initializer/,
      /Zeros/,
    ],
    [
      "a relu with a ceiling of its own",
      withLayer("ReLU", { name: "r", max_value: 5 }),
      /max_value = 5/,
      /6/,
    ],
    ["groups", withLayer("Conv2D", { ...conv, groups: 3 }), /groups = 3/],
    [
      "causal padding",
      withLayer("Conv2D", { ...conv, padding: "causal" }),
      /padding = "causal"/,
      /valid, same/,
    ],
    [
      "a regularizer",
      withLayer("Dense", { ...dense, kernel_regularizer: { class_name: "L2" } }),
      /Dense layer "d": kernel_regularizer = \{"class_name":"L2"\}/,
    ],
    ["half precision", withLayer("Dense", { ...dense, dtype: "float16" }), /dtype = "float16"/, /float32/],
    [
      "a mixed policy",
      withLayer("Dense", {
        ...dense,
        dtype: { class_name: "DTypePolicy", config: { name: "mixed_bfloat16" } },
      }),
      /dtype = "mixed_bfloat16"/,
    ],
    [
      "an unknown initializer",
      withLayer("Dense", { ...dense, kernel_initializer: { class_name: "Orthogonal", config: {} } }),
      /kernel_initializer = "Orthogonal"/,
      /GlorotUniform/,
    ],
    [
      "an odd variance",
      withLayer("Dense", {
        ...dense,
        kernel_initializer: {
          class_name: "VarianceScaling",
          config: { scale: 0.1, mode: "fan_out", distribution: "uniform" },
        },
      }),
      /"scale":0\.1/,
    ],
    ["a model class of its own", { class_name: "MyModel", config: {} }, /model class MyModel/, /Sequential/],
    [
      "no input shape",
      { class_name: "Sequential", config: [{ class_name: "Flatten", config: { name: "f" } }] },
      /input's shape/,
    ],
    [
      "an image of any size",
      {
        class_name: "Sequential",
        config: [{ class_name: "Flatten", config: { name: "f", batch_input_shape: [null, null, null, 3] } }],
      },
      /\[null,null,null,3\]/,
    ],
  ];
  for (const [what, model, message, supported] of cases) {
    test(what, () => {
      assert.throws(
        () => parse(model),
        (error: SltrainError) => {
          assert.equal(error.code, "model-unsupported");
          assert.match(error.message, /^model\.json: /);
          assert.match(error.message, message);
          if (supported) assert.match(error.suggestions.join(), supported);
          return true;
        },
      );
    });
  }

  test("a functional model of several inputs or outputs, layers called twice or with settings, all at once", () => {
    const called = {
      ...flatten("b", "a"),
      inbound_nodes: [[["a", 0, 0, {}]], [["c", 0, 0, { training: false }]]],
    };
    const model = {
      class_name: "Model",
      config: {
        layers: [input("a"), called, flatten("c", "a")],
        ...{
          input_layers: [["a", 0, 0]],
          output_layers: [
            ["b", 0, 0],
            ["c", 0, 0],
          ],
        },
      },
    };
    assert.throws(() => parse(model), {
      code: "model-unsupported",
      message:
        /^model.json: a model with 2 outputs .*; Flatten layer "b", called 2 times, .*; .*"b", called with training = false, is not supported$/,
    });
  });

  test("everything that it cannot train, in one message", () => {
    const layers = [
      { class_name: "LSTM", config: { name: "l", batch_input_shape: [null, 4] } },
      { class_name: "Dense", config: { name: "d", units: 4, activation: "selu", kernel_regularizer: {} } },
    ];
    assert.throws(() => parse({ class_name: "Sequential", config: { layers } }), {
      code: "model-unsupported",
      message: /^model.json: LSTM layer "l" .*; Dense layer "d": (?=.*selu)(?=.*kernel_regularizer)/,
    });
  });
});

suite("parseTopology refuses as model-damaged", () => {
  test("text that is no JSON, with the position of the first bad character", () => {
    const cases = [
      ['{"class_name": }', 15],
      ['{"a": [1, 2, tru, 3]}', 16],
      ['{"a": 1,, "b": 2}', 8],
      ['{"a": "\u0001"}', 7],
      ["model", 0],
      ["", 0],
      ['{"a": "b', 8],
      [`{"a": ${"[".repeat(40)}}`, 46],
    ] as const;
    for (const [text, position] of cases) {
      assert.throws(() => parseTopology(text, "m.json"), {
        code: "model-damaged",
        message: new RegExp(`^m\\.json: expected JSON, got: .* at position ${position}\\b`),
      });
    }
  });

  test("a file that ends too early, with the position", () => {
    const text = JSON.stringify(tfjsSequential).slice(0, 500);
    assert.throws(() => parseTopology(text, "m.json"), { code: "model-damaged", message: /position 500/ });
  });

  test("values of the wrong kind, with their path", () => {
    const cases = [
      [[], /class_name|object/],
      [null, /object/],
      [{ class_name: "Sequential", config: { layers: 3 } }, /config\.layers/],
      [withLayer("Dense", { name: "d", units: "many" }), /Dense layer "d": .*number.*config\.units/],
      [withLayer("Dense", { name: "d", units: -1 }), /units/],
      [withLayer("Dropout", { name: "d", rate: 1 }), /rate/],
      [withLayer("Conv2D", { name: "c", filters: 3, kernel_size: [3, 3, 3] }), /kernel_size/],
      [{ class_name: "Sequential", config: [] }, /without layers/],
    ] as const;
    for (const [model, message] of cases) {
      assert.throws(() => parse(model), { code: "model-damaged", message });
    }
  });

  test("two layers of one name", () => {
    const flat = { class_name: "Flatten", config: { name: "f", batch_input_shape: [null, 3] } };
    assert.throws(() => parse({ class_name: "Sequential", config: [flat, flat] }), {
      code: "model-damaged",
      message: /two layers are named "f"/,
    });
  });

  test("connections that lead nowhere", () => {
    const cases = [
      [[flatten("b", "c"), flatten("c", "b")], /layer b to follow from the input, it reads c/],
      [[flatten("b", "x"), flatten("c", "a")], /layer b to follow from the input, it reads x/],
      [[flatten("b", "a"), flatten("c", "a")], /layer b to lead to the output c/],
      [[flatten("b"), flatten("c", "a")], /one InputLayer a, got a, b/],
      [[flatten("c", "a", "a")], /Flatten layer "c": expected one input, got 2/],
      [[{ ...flatten("c", "a"), class_name: "Add" }], /Add layer "c": expected two inputs or more, got 1/],
    ] as const;
    for (const [layers, message] of cases) {
      assert.throws(() => parse(functional([input("a"), ...layers], "c")), {
        code: "model-damaged",
        message,
      });
    }
  });

  test("any cut of a model with an error of its own, never another", () => {
    const text = JSON.stringify(keras3Functional);
    for (let length = 0; length < text.length; length += 7) {
      assert.throws(() => parseTopology(text.slice(0, length), "m.json"), { code: "model-damaged" });
    }
  });
});
