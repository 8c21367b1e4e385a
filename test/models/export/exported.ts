// What exported models are compared by: every built-in model in a small size, one with all other layers, weights that
// hide no mistake, and our own answers.

import assert from "node:assert/strict";
import { Replica } from "../../../src/algorithms/replica.ts";
import { openDevice } from "../../../src/device/open-device.ts";
import { defaultLoss } from "../../../src/models/build.ts";
import { builtinModels } from "../../../src/models/builtin.ts";
import { parseTopology } from "../../../src/models/parse-topology.ts";
import type { NamedTensor } from "../../../src/models/safetensors.ts";
import { vocabularyOf, type Topology } from "../../../src/models/topology.ts";
import { RandomStream } from "../../../src/random.ts";
import { goldenCases } from "../../golden/cases.ts";

const device = await openDevice({ device: "wasm" });

const image = { inputShape: [9, 11, 2], outputs: 3 };

/** Layers and settings that no built-in model has, on two branches. */
const others: Topology = parseTopology(
  JSON.stringify({
    class_name: "Functional",
    config: {
      name: "others",
      layers: [
        layer("InputLayer", "in", [], { batch_shape: [null, 9, 11, 2] }),
        layer("Conv2D", "dilated", ["in"], { filters: 4, kernel_size: [3, 2], dilation_rate: [2, 1] }),
        layer("LeakyReLU", "leaky", ["dilated"], { alpha: 0.2 }),
        layer("DepthwiseConv2D", "twofold", ["leaky"], {
          ...{ kernel_size: [3, 3], strides: [2, 2], padding: "same", depth_multiplier: 2 },
          ...{ activation: "swish", use_bias: false },
        }),
        layer("LayerNormalization", "norm", ["twofold"], { center: false }),
        layer("AveragePooling2D", "average", ["norm"], {
          pool_size: [2, 3],
          strides: [1, 2],
          padding: "same",
        }),
        layer("Conv2D", "left", ["average"], { filters: 5, kernel_size: 1, activation: "gelu" }),
        layer("Conv2D", "right", ["average"], { filters: 5, kernel_size: 1, activation: "relu6" }),
        layer("BatchNormalization", "moments", ["right"], { scale: false }),
        layer("Multiply", "product", ["left", "moments"]),
        layer("Concatenate", "both", ["product", "average", "right"]),
        layer("Flatten", "flat", ["both"]),
        layer("Dropout", "dropped", ["flat"], { rate: 0.5 }),
        layer("Dense", "hidden", ["dropped"], { units: 6, activation: "tanh" }),
        layer("LayerNormalization", "rows", ["hidden"]),
        layer("BatchNormalization", "columns", ["rows"], { center: false }),
        layer("Dense", "answer", ["columns"], { units: 3, activation: "sigmoid", use_bias: false }),
      ],
      input_layers: [["in", 0, 0]],
      output_layers: [["answer", 0, 0]],
    },
  }),
  "others",
);

function layer(class_name: string, name: string, sources: readonly string[], config: object = {}) {
  const inbound_nodes = sources.length === 0 ? [] : [sources.map((source) => [source, 0, 0, {}])];
  return { class_name, name, config: { name, ...config }, inbound_nodes };
}

const thin = new Map(goldenCases.map(({ name, topology }) => [name, topology]));

export const exportedModels: readonly Topology[] = [
  ...builtinModels.map(({ name, topology }) => thin.get(name) ?? topology(image)),
  thin.get("tanh-avg-pool")!,
  others,
];

export interface Sample {
  readonly tensors: ReadonlyMap<string, NamedTensor>;
  readonly count: number;
  /** [count, ...inputShape] in [-1, 1), or tokens. */
  readonly x: Float32Array | Int32Array;
  /** Our own answers to `x`, as a transform makes the model see it. */
  readonly answer: (see?: (value: number, feature: number) => number) => Promise<Float32Array>;
}

/** Initial weights with noise: zero biases and unit variances would not show what is mixed up. */
export async function sampleOf(topology: Topology): Promise<Sample> {
  const replica = new Replica({ device, topology, loss: defaultLoss(topology), seed: 1 });
  const noise = new RandomStream(1, "noise");
  for (const vector of ["parameters", "statistics"]) {
    const values = await replica.read(vector);
    for (let i = 0; i < values.length; i++) values[i]! += 0.02 * noise.nextUniform();
    replica.write(vector, values);
  }
  const count = 2;
  const width = topology.inputShape.reduce((product, extent) => product * extent, 1);
  const random = new RandomStream(2, "samples");
  const vocabulary = vocabularyOf(topology);
  const length = count * width;
  const x =
    vocabulary === undefined
      ? Float32Array.from({ length }, () => 2 * random.nextUniform() - 1)
      : Int32Array.from({ length }, () => random.nextInt(vocabulary));
  return {
    tensors: new Map((await replica.tensors()).map((tensor) => [tensor.name, tensor])),
    ...{ count, x },
    answer: async (see = (value) => value) => {
      const seen = x.map((value, i) => see(value, i % width));
      return Float32Array.from(await replica.runPrediction(count, seen));
    },
  };
}

export function assertEqualAnswers(theirs: ArrayLike<number>, ours: Float32Array): void {
  assert.equal(theirs.length, ours.length);
  // Probabilities and scores; a distance is larger, and rounded as coarsely.
  const errors = ours.map((value, i) => Math.abs(value - theirs[i]!) / Math.max(1, Math.abs(value)));
  const largest = errors.reduce((most, error) => Math.max(most, error), 0);
  assert.ok(largest <= 1e-5, `differ by ${largest}: ${ours.join()} and ${Array.from(theirs).join()}`);
  assert.ok(new Set(ours).size > 1, "answers that are all the same prove nothing");
}
