import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { buildTrainingProgram } from "../../src/graph/program.ts";
import { buildModel, defaultLoss, outputsOf, parameterCount, summary } from "../../src/models/build.ts";
import { builtinModels } from "../../src/models/builtin.ts";
import type { ModelIo } from "../../src/models/model-io.ts";
import { finalActivation } from "../../src/models/stages.ts";
import type { Activation, Layer, Topology } from "../../src/models/topology.ts";

const images: ModelIo = { inputShape: [28, 28, 1], outputs: 10 };
const smallPhotos: ModelIo = { inputShape: [32, 32, 3], outputs: 10 };
const photos: ModelIo = { inputShape: [224, 224, 3], outputs: 1000 };
const text: ModelIo = { inputShape: [64], outputs: 65, tokens: true };
const bits: ModelIo = { inputShape: [20], outputs: 1 };

function builtin(name: string, io: ModelIo): Topology {
  return builtinModels.find((model) => model.name === name)!.topology(io);
}

function dense(name: string, units: number, activation: Activation): Layer {
  const initializers = { kernelInitializer: "GlorotUniform", biasInitializer: "Zeros" } as const;
  return { className: "Dense", name, units, activation, useBias: true, ...initializers };
}

function conv2d(name: string, filters: number, activation: Activation): Layer {
  const grid = { kernelSize: [3, 3], strides: [1, 1], dilationRate: [1, 1], padding: "valid" } as const;
  const initializers = { kernelInitializer: "HeNormal", biasInitializer: "Zeros" } as const;
  return { className: "Conv2D", name, filters, ...grid, activation, useBias: false, ...initializers };
}

function model(inputShape: readonly number[], ...layers: Layer[]): Topology {
  return { name: "test", inputShape, layers };
}

function opNames(topology: Topology, training = false): string[] {
  return buildModel(topology, 2, { training }).graph.nodes.map(({ op }) => op.name);
}

suite("the built-in models", () => {
  const counts = [
    ["lr", images, 7_850],
    ["mlp", images, 407_050],
    ["lenet5", images, 61_706],
    ["feng-a", bits, 42_601],
    ["lr", bits, 21],
    ["softmax", { inputShape: [20], outputs: 2 }, 42],
    ["svm", images, 7_850],
    // With the tutorial's crops of 24x24: 1,068,298.
    ["cifar-cnn", smallPhotos, 1_756_426],
    // 2,752 more than the paper's option A; the others are torchvision's counts.
    ["resnet20", smallPhotos, 272_474],
    ["resnet20", images, 272_186],
    ["resnet32", smallPhotos, 466_906],
    ["resnet34", photos, 21_797_672],
    ["resnet50", photos, 25_557_032],
    // Keras's count of what is trained.
    ["mobilenet", photos, 4_231_976],
    ["mobilenet", { ...photos, width: 0.5 }, 1_331_592],
    ["mlp", { ...images, hidden: [512, 256] }, 535_818],
    ["gpt-nano", text, 818_176],
    // nanoGPT's for Shakespeare by the letter, with its 10.65 million, and our biases.
    ["gpt-nano", { ...text, inputShape: [256], layers: 6, heads: 6, width: 3 }, 10_795_776],
    ["vgg19", photos, 143_667_240],
  ] as const satisfies readonly (readonly [string, ModelIo, number])[];
  for (const [name, io, parameters] of counts as readonly (readonly [string, ModelIo, number])[]) {
    test(`${name} on [${io.inputShape.join(",")}] has ${parameters} parameters and ${io.outputs} outputs`, () => {
      const topology = builtin(name, io);
      assert.equal(parameterCount(topology), parameters);
      const positions = io.tokens ? io.inputShape[0]! : 1;
      assert.equal(outputsOf(topology), positions * io.outputs);
    });
  }

  test("end in softmax for classes and in sigmoid for one output, but for svm and kmeans", () => {
    for (const { name, topology } of builtinModels) {
      const io = name === "gpt-nano" ? text : smallPhotos;
      if (name !== "svm" && name !== "kmeans")
        assert.equal(defaultLoss(topology(io)), "softmax-cross-entropy");
    }
    for (const io of [smallPhotos, bits]) assert.equal(finalActivation(builtin("svm", io)), "linear");
    assert.equal(defaultLoss(builtin("kmeans", smallPhotos)), "inertia");
    assert.equal(defaultLoss(builtin("feng-a", bits)), "sigmoid-cross-entropy");
  });

  test("lenet5 takes grey images without a channel, and refuses what is no image or too small", () => {
    assert.equal(parameterCount(builtin("lenet5", { ...images, inputShape: [28, 28] })), 61_706);
    for (const inputShape of [[20], [28, 11, 1]]) {
      assert.throws(() => builtin("lenet5", { inputShape, outputs: 10 }), {
        code: "model-data-mismatch",
        message: new RegExp(`lenet5 .*12x12.*\\[${inputShape.join(",")}\\]`),
      });
    }
  });

  test("lenet5's summary has each layer's shape and parameters", () => {
    const rows = summary(builtin("lenet5", images)).map(
      ({ layer, outputShape, parameters }) => `${layer} ${outputShape.join("x")} ${parameters}`,
    );
    assert.deepEqual(rows, [
      "conv2d 28x28x6 156",
      "max_pooling2d 14x14x6 0",
      "conv2d_1 10x10x16 2416",
      "max_pooling2d_1 5x5x16 0",
      "flatten 400 0",
      "dense 120 48120",
      "dense_1 84 10164",
      "dense_2 10 850",
    ]);
  });
});

suite("buildModel", () => {
  test("does a relu inside dense and convolution, whether it is theirs or the next layer's", () => {
    const relu: Layer = { className: "Activation", name: "act", activation: "relu" };
    const flatten: Layer = { className: "Flatten", name: "flat" };
    const topology = model([6, 6, 2], conv2d("c", 3, "relu"), flatten, dense("d", 4, "linear"), relu);
    const { graph, layerOutputs } = buildModel(topology, 2, { training: false });
    assert.deepEqual(
      graph.nodes.map(({ op, params }) => [op.name, (params as { activation?: string }).activation]),
      [
        ["conv2d", "relu"],
        ["reshape", undefined],
        ["dense", "relu"],
      ],
    );
    assert.equal(layerOutputs.get("d"), layerOutputs.get("act"));
  });

  test("convolves channel by channel with a bias for each output, and a relu on the way out", () => {
    const { filters: _, ...grid } = conv2d("d", 1, "relu") as Extract<Layer, { className: "Conv2D" }>;
    const layer: Layer = { ...grid, className: "DepthwiseConv2D", depthMultiplier: 2, useBias: true };
    const { graph } = buildModel(model([6, 6, 3], layer), 2, { training: false });
    assert.deepEqual(
      graph.nodes.map(({ op, inputs, outputs }) => [
        op.name,
        ...[...inputs, ...outputs].map(({ type }) => type.shape),
      ]),
      [["depthwise-conv2d", [2, 6, 6, 3], [3, 3, 3, 2], [6], [2, 4, 4, 6]]],
    );
  });

  test("keeps other activations, and a second relu, apart", () => {
    const relu: Layer = { className: "Activation", name: "act", activation: "relu" };
    assert.deepEqual(opNames(model([4], dense("d", 4, "tanh"), relu)), ["dense", "tanh", "relu"]);
    assert.deepEqual(opNames(model([4], dense("d", 4, "relu"), relu)), ["dense", "relu"]);
    assert.deepEqual(opNames(model([4], relu)), ["relu"]);
  });

  test("does an activation inside the layer before it only where nobody else reads that layer", () => {
    const act = (name: string, activation: Activation, ...inputs: string[]): Layer => ({
      ...{ className: "Activation", name, activation, inputs },
    });
    const add: Layer = { className: "Add", name: "sum", inputs: ["d", "act"] };
    const linear = dense("d", 4, "linear");
    assert.deepEqual(opNames(model([4], linear, act("act", "relu", "d"), add)), ["dense", "relu", "add"]);
    // An identity between them is no reader.
    const chain = model([4], linear, act("same", "linear", "d"), act("act", "relu", "same"));
    assert.deepEqual(opNames(chain), ["dense"]);
    assert.equal(defaultLoss(chain), "mean-squared-error");
    // A sum does its relu on the way out; the last of several does.
    const sum: Layer = { className: "Add", name: "sum", inputs: ["d", "@input", "d"] };
    const { graph } = buildModel(model([4], linear, sum, act("act", "relu", "sum")), 2, { training: false });
    assert.deepEqual(
      graph.nodes.slice(1).map(({ op, params }) => [op.name, params]),
      [
        ["add", {}],
        ["add", { activation: "relu" }],
      ],
    );
  });

  test("adds branches, also that of the model's own input, in the order of their names", () => {
    const layers: Layer[] = [
      dense("left", 4, "relu"),
      { ...dense("right", 4, "tanh"), inputs: ["@input"] },
      { className: "Add", name: "sum", inputs: ["left", "right", "@input"] },
    ];
    const { graph, layerOutputs, outputs } = buildModel(model([4], ...layers), 2, { training: false });
    const x = graph.inputs[0]!.tensor;
    const [first, second] = graph.nodes.filter(({ op }) => op.name === "add");
    assert.deepEqual(first!.inputs, [layerOutputs.get("left"), layerOutputs.get("right")]);
    assert.deepEqual(second!.inputs, [first!.outputs[0], x]);
    assert.equal(outputs, second!.outputs[0]);
  });

  test("joins branches along their channels", () => {
    const layers: Layer[] = [
      conv2d("left", 3, "relu"),
      { ...conv2d("right", 5, "tanh"), inputs: ["@input"] },
      { className: "Concatenate", name: "both", inputs: ["left", "right"] },
    ];
    const { outputs } = buildModel(model([6, 6, 2], ...layers), 2, { training: false });
    assert.deepEqual(outputs.type.shape, [2, 4, 4, 8]);
    const narrow = { ...conv2d("right", 5, "tanh"), kernelSize: [1, 1], inputs: ["@input"] } as Layer;
    assert.throws(
      () => buildModel(model([6, 6, 2], layers[0]!, narrow, layers[2]!), 2, { training: false }),
      {
        code: "model-shape",
        message: /Concatenate layer "both" cannot take f32\[2,4,4,3\] and f32\[2,6,6,5\]: .*4.*6/,
      },
    );
  });

  test("averages a whole image into a row of channels", () => {
    const layer: Layer = { className: "GlobalAveragePooling2D", name: "mean" };
    const { outputs } = buildModel(model([5, 3, 7], layer), 2, { training: false });
    assert.deepEqual(outputs.type.shape, [2, 7]);
  });

  suite("batch normalisation", () => {
    const settings = { momentum: 0.9, epsilon: 1e-3, scale: true, center: true };
    const norm: Layer = { className: "BatchNormalization", name: "bn", ...settings };
    const relu: Layer = { className: "Activation", name: "act", activation: "relu" };

    test("normalises by the batch in training and moves its averages, and else by them, relu included", () => {
      const topology = model([6, 6, 2], conv2d("c", 3, "linear"), norm, relu);
      assert.deepEqual(opNames(topology, true), ["conv2d", "batch-norm", "moving-average", "moving-average"]);
      assert.deepEqual(opNames(topology), ["conv2d", "batch-norm-inference"]);
      for (const training of [true, false]) {
        const { graph } = buildModel(topology, 2, { training });
        const params = graph.nodes[1]!.params as { activation: string; epsilon: number };
        assert.deepEqual([params.activation, params.epsilon], ["relu", 1e-3]);
        assert.deepEqual(graph.parameters.map(({ name, initializer }) => [name, initializer.kind]).slice(1), [
          ["bn/gamma", "ones"],
          ["bn/beta", "zeros"],
        ]);
        assert.deepEqual(
          graph.statistics.map(({ name, initializer }) => [name, initializer.kind]),
          [
            ["bn/moving_mean", "zeros"],
            ["bn/moving_variance", "ones"],
          ],
        );
      }
      assert.deepEqual(
        summary(topology).map(({ parameters }) => parameters),
        [54, 6, 0],
      );
    });

    test("has neither gamma nor beta where it neither scales nor centres", () => {
      const topology = model([4], { ...norm, scale: false, center: false });
      const { graph } = buildModel(topology, 2, { training: true });
      assert.deepEqual(graph.parameters, []);
      assert.deepEqual(
        graph.nodes.filter(({ op }) => op.name === "fill").map(({ params }) => params),
        [
          { shape: [4], value: 1 },
          { shape: [4], value: 0 },
        ],
      );
    });
  });

  test("names parameters as Keras does, in the order of the layers, without biases that are not used", () => {
    const topology = model(
      [6, 6, 2],
      conv2d("c", 3, "tanh"),
      { className: "Flatten", name: "flat" },
      dense("d", 4, "softmax"),
    );
    const { graph } = buildModel(topology, 2, { training: false });
    assert.deepEqual(
      graph.parameters.map(({ name, shape }) => [name, shape]),
      [
        ["c/kernel", [3, 3, 2, 3]],
        ["d/kernel", [48, 4]],
        ["d/bias", [4]],
      ],
    );
  });

  test("gives Keras's initializers their variance", () => {
    const initializers = [
      ["GlorotUniform", { kind: "glorot-uniform", sum: 10 + 30 }],
      ["GlorotNormal", { kind: "he-normal", sum: 10 + 30 }],
      ["HeUniform", { kind: "glorot-uniform", sum: 10 }],
      ["HeNormal", { kind: "he-normal", sum: 10 }],
      ["LecunUniform", { kind: "glorot-uniform", sum: 2 * 10 }],
      ["LecunNormal", { kind: "he-normal", sum: 2 * 10 }],
    ] as const;
    for (const [kernelInitializer, { kind, sum }] of initializers) {
      const layer = { ...dense("d", 30, "linear"), kernelInitializer } as Layer;
      const { initializer } = buildModel(model([10], layer), 1, { training: false }).graph.parameters[0]!;
      assert.equal(initializer.kind, kind);
      // Uniform: limit = sqrt(6 / (fanIn + fanOut)); normal: deviation = sqrt(2 / fanIn).
      const fans =
        initializer.kind === "glorot-uniform" ? initializer.fanIn + initializer.fanOut : initializer.fanIn;
      assert.equal(fans, sum, kernelInitializer);
    }
  });

  test("leaves a final softmax out of its cross entropy and keeps it for predictions", () => {
    const built = buildModel(model([4], dense("d", 3, "softmax")), 2, {
      ...{ training: true, loss: "softmax-cross-entropy" },
    });
    const loss = built.graph.nodes.find(({ op }) => op.name === "softmax-cross-entropy")!;
    const softmax = built.graph.nodes.find(({ op }) => op.name === "softmax")!;
    assert.equal(loss.inputs[0], built.logits);
    assert.deepEqual(loss.outputs, [built.loss, built.correct]);
    assert.equal(softmax.inputs[0], built.logits);
    assert.equal(softmax.outputs[0], built.outputs);
    assert.deepEqual(
      built.graph.inputs.map(({ name, tensor }) => [name, tensor.type]),
      [
        ["x", { dtype: "f32", shape: [2, 4] }],
        ["labels", { dtype: "i32", shape: [2] }],
      ],
    );
  });

  test("leaves the loss of tokens, the mean over a sample's positions, with its gradient in one pass", () => {
    const topology = builtin("gpt-nano", { ...text, inputShape: [6], layers: 1 });
    const { graph, loss, correct } = buildModel(topology, 2, {
      training: true,
      loss: "softmax-cross-entropy",
    });
    const { program } = buildTrainingProgram(graph, loss!, { loss: loss!, correct: correct! });
    const names = program.instructions.map(({ op }) => op.name).filter((name) => name.startsWith("softmax"));
    assert.deepEqual(names, ["softmax-cross-entropy-with-grad"]);
  });

  test("takes the squared error of what the model predicts, activation and all", () => {
    const built = buildModel(model([4], dense("d", 3, "sigmoid")), 2, {
      ...{ training: true, loss: "mean-squared-error" },
    });
    const loss = built.graph.nodes.find(({ op }) => op.name === "mean-squared-error")!;
    assert.equal(loss.inputs[0], built.outputs);
    assert.equal(built.graph.inputs.at(-1)!.name, "targets");
  });

  test("refuses a cross entropy behind another activation, naming both", () => {
    const topology = model([4], dense("d", 3, "sigmoid"));
    assert.throws(() => buildModel(topology, 2, { training: true, loss: "softmax-cross-entropy" }), {
      code: "model-loss-mismatch",
      message: /softmax-cross-entropy .* softmax .* sigmoid/,
    });
    for (const activation of ["relu", "tanh"] as const) {
      const bounded = model([4], dense("d", 3, activation));
      assert.throws(() => buildModel(bounded, 2, { training: true, loss: "sigmoid-cross-entropy" }), {
        code: "model-loss-mismatch",
      });
    }
  });

  test("drops out in training only, and asks for counters only then", () => {
    const dropout = (name: string, rate: number): Layer => ({ className: "Dropout", name, rate });
    const topology = model(
      [4],
      dropout("a", 0.5),
      dense("d", 3, "linear"),
      dropout("b", 0.25),
      dropout("c", 0),
    );
    const inputs = (training: boolean) =>
      buildModel(topology, 2, { training }).graph.inputs.map(({ name }) => name);
    assert.deepEqual(opNames(topology), ["dense"]);
    assert.deepEqual(inputs(false), ["x"]);
    assert.deepEqual(opNames(topology, true), ["dropout", "dense", "dropout"]);
    assert.deepEqual(inputs(true), ["x", "counters"]);
    const masks = buildModel(topology, 2, { training: true }).graph.nodes.filter(
      ({ op }) => op.name === "dropout",
    );
    assert.notDeepEqual(masks[0]!.params, masks[1]!.params);
  });

  test("names the layer that cannot take its input", () => {
    assert.throws(() => buildModel(model([8, 8, 3], dense("d", 4, "relu")), 2, { training: false }), {
      code: "model-shape",
      message: /Dense layer "d" cannot take f32\[2,8,8,3\]/,
      suggestions: ["Put a Flatten layer before it."],
    });
    assert.throws(() => buildModel(model([2, 2, 3], conv2d("c", 4, "relu")), 2, { training: false }), {
      code: "model-shape",
      message: /Conv2D layer "c" cannot take f32\[2,2,2,3\]: .*2.*3/,
    });
    const image = model([8, 8, 3], conv2d("c", 4, "linear"));
    assert.throws(() => buildModel(image, 2, { training: true, loss: "softmax-cross-entropy" }), {
      code: "model-shape",
      message: /loss softmax-cross-entropy cannot take f32\[2,6,6,4\]/,
    });
  });
});
