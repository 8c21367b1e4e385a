import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { formatTfjs } from "../../../src/models/format-tfjs.ts";
import { completeTfjsCore } from "../../../bench/peers/tfjs-core.ts";
import { assertEqualAnswers, exportedModels, sampleOf } from "./exported.ts";

type LrnConfig = Readonly<Record<"depth_radius" | "bias" | "alpha" | "beta", number>>;

/** As docs/models.md tells users of tf.js to. */
class LocalResponseNormalization extends tfl.layers.Layer {
  static className = "LocalResponseNormalization";
  readonly #config: LrnConfig;
  constructor(config: LrnConfig) {
    super(config as object);
    this.#config = config;
  }
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const x = (Array.isArray(inputs) ? inputs[0]! : inputs) as tf.Tensor4D;
    const { depth_radius, bias, alpha, beta } = this.#config;
    return tf.localResponseNormalization(x, depth_radius, bias, alpha, beta);
  }
}

/** As docs/models.md tells users of tf.js to. */
class KMeans extends tfl.layers.Layer {
  static className = "KMeans";
  readonly #clusters: number;
  constructor(config: { readonly clusters: number }) {
    super(config as object);
    this.#clusters = config.clusters;
  }
  override build([, features]: number[]): void {
    const zeros = tfl.initializers.zeros();
    this.addWeight("centroids", [this.#clusters, features!], "float32", zeros);
    for (const name of ["counts", "inertias"])
      this.addWeight(name, [this.#clusters], "float32", zeros, undefined, false);
  }
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const x = Array.isArray(inputs) ? inputs[0]! : inputs;
    const difference = x.expandDims(1).sub(this.weights[0]!.read());
    return difference.square().sum(2).min(1, true);
  }
  override computeOutputShape([batch]: number[]): number[] {
    return [batch!, 1];
  }
}

before(async () => {
  await completeTfjsCore();
  await tf.setBackend("cpu");
  tf.serialization.registerClass(LocalResponseNormalization);
  tf.serialization.registerClass(KMeans);
});

for (const topology of exportedModels)
  test(`${topology.name} answers in tf.js as here`, async () => {
    const { tensors, x, count, answer } = await sampleOf(topology);
    const { modelJson, weights } = formatTfjs(topology, tensors, { classNames: ["a", "b"] });
    const { modelTopology, weightsManifest, userDefinedMetadata } = JSON.parse(modelJson) as {
      modelTopology: object;
      weightsManifest: tf.io.WeightsManifestConfig;
      userDefinedMetadata: Record<string, object>;
    };
    const model = await tfl.loadLayersModel({
      load: () =>
        Promise.resolve({
          ...{ modelTopology, weightSpecs: weightsManifest[0]!.weights, userDefinedMetadata },
          weightData: Uint8Array.from(Buffer.concat(weights)).buffer,
        }),
    });
    const predictions = model.predict(tf.tensor(x, [count, ...topology.inputShape])) as tf.Tensor;
    assertEqualAnswers(await predictions.data(), await answer());
    assert.deepEqual(model.getUserDefinedMetadata(), { classNames: ["a", "b"] });
  });
