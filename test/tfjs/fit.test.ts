// tfjs-layers' `model.fit`, unchanged, on the wasm backend with sltrain's kernels and on the cpu backend.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { lenet5, loadTfLayers, type Model, type TfLayers } from "../../bench/tfjs/layers.ts";
import { numbers, type BackendName } from "./tf.ts";

const tfLayers = await loadTfLayers();
const skip = tfLayers === undefined && "@tensorflow/tfjs-layers is not installed";
const MAXIMUM_ERROR = 1e-5;
const CLASSES = 10;

interface Example {
  readonly model: (tfLayers: TfLayers) => Model;
  readonly samples: number;
}

function stack(...layers: readonly [name: string, settings: Parameters<TfLayers["layers"][string]>[0]][]) {
  return ({ sequential, layers: make }: TfLayers) =>
    sequential({
      layers: [
        ...layers.map(([name, settings]) => make[name]!(settings)),
        make["dense"]!({ units: CLASSES, activation: "softmax" }),
      ],
    });
}

const image = { inputShape: [10, 10, 3] };
const models: Readonly<Record<string, Example>> = {
  "LeNet-5": { model: lenet5, samples: 4 },
  "batch norm, average pooling and dropout": {
    model: stack(
      ["conv2d", { ...image, filters: 8, kernelSize: 3, padding: "same", useBias: false }],
      ["batchNormalization", {}],
      ["reLU", {}],
      ["averagePooling2d", { poolSize: 2 }],
      ["conv2d", { filters: 12, kernelSize: 3, strides: 2, padding: "same", activation: "elu" }],
      ["dropout", { rate: 0.3, seed: 3 }],
      ["globalAveragePooling2d", { dataFormat: "channelsLast" }],
    ),
    samples: 16,
  },
  "depthwise and separable convolutions": {
    model: stack(
      ["separableConv2d", { ...image, filters: 6, kernelSize: 3, padding: "same", activation: "relu" }],
      ["depthwiseConv2d", { kernelSize: 3, strides: 2, padding: "same", activation: "relu6" }],
      ["flatten", {}],
    ),
    samples: 16,
  },
  "transposed convolution and padding": {
    model: stack(
      ["conv2d", { ...image, filters: 4, kernelSize: 3, strides: 2, padding: "same" }],
      ["conv2dTranspose", { filters: 3, kernelSize: 3, strides: 2, padding: "same" }],
      ["zeroPadding2d", {}],
      ["flatten", {}],
    ),
    samples: 8,
  },
  "embedding and recurrence": {
    model: stack(["embedding", { inputDim: 20, outputDim: 8, inputLength: 6 }], ["lstm", { units: 5 }]),
    samples: 16,
  },
  "one-dimensional convolution": {
    model: stack(
      ["conv1d", { inputShape: [20, 3], filters: 4, kernelSize: 3, padding: "same" }],
      ["globalMaxPooling1d", {}],
    ),
    samples: 16,
  },
};

/** The losses of two epochs of two steps from the same weights, and how many tensors they left. */
async function train({ model, samples }: Example, backend: BackendName) {
  await tf.setBackend(backend);
  const net = model(tfLayers!);
  const weights = net.getWeights().map(({ shape }, i) => tf.mul(numbers(shape, i + 1), 0.2));
  net.setWeights(weights);
  net.compile({ optimizer: "adam", loss: "categoricalCrossentropy" });
  const shape = net.inputs[0]!.shape.slice(1) as number[];
  // Rounded up they are ids of an embedding too: 0 to 9.
  const x = tf.ceil(tf.mul(tf.abs(numbers([samples, ...shape])), 9));
  const labels = Int32Array.from({ length: samples }, (_, i) => i % CLASSES);
  const y = tf.oneHot(tf.tensor1d(labels, "int32"), CLASSES);
  const fit = () => net.fit(x, y, { batchSize: samples / 2, epochs: 2, shuffle: false, verbose: 0 });
  const { history } = await fit();
  const { numTensors } = tf.memory();
  await fit();
  const leaked = tf.memory().numTensors - numTensors;
  tf.dispose([x, y, ...weights]);
  net.dispose();
  return { losses: history.loss, leaked };
}

for (const [name, example] of Object.entries(models))
  test(`model.fit of ${name} has the cpu backend's losses, and leaves no tensors`, { skip }, async () => {
    const cpu = await train(example, "cpu");
    const wasm = await train(example, "wasm");
    cpu.losses.forEach((loss, epoch) => {
      const error = Math.abs(wasm.losses[epoch]! / loss - 1);
      assert.ok(error <= MAXIMUM_ERROR, `epoch ${epoch}: ${wasm.losses[epoch]} instead of ${loss}`);
    });
    assert.equal(wasm.leaked, 0);
  });
