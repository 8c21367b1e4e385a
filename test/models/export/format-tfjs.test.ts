import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import * as tfl from "@tensorflow/tfjs-layers";
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { formatTfjs } from "../../../src/models/format-tfjs.ts";
import { completeTfjsCore } from "../../../bench/peers/tfjs-core.ts";
import { assertEqualAnswers, exportedModels, sampleOf } from "./exported.ts";

type LrnConfig = Readonly<Record<"depthRadius" | "bias" | "alpha" | "beta", number>>;

/** As docs/models.md tells users of tf.js to. It hands settings on in camel case. */
class LocalResponseNormalization extends tfl.layers.Layer {
  static className = "LocalResponseNormalization";
  readonly #config: LrnConfig;
  constructor(config: LrnConfig) {
    super(config as object);
    this.#config = config;
  }
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const x = (Array.isArray(inputs) ? inputs[0]! : inputs) as tf.Tensor4D;
    const { depthRadius, bias, alpha, beta } = this.#config;
    return tf.localResponseNormalization(x, depthRadius, bias, alpha, beta);
  }
}

type EmbeddingSizes = Readonly<Record<"vocabularySize" | "sequenceLength" | "embeddingDim", number>>;

/** As KerasHub's: tokens [B, T] -> [B, T, D]. */
class TokenAndPositionEmbedding extends tfl.layers.Layer {
  static className = "TokenAndPositionEmbedding";
  readonly #sizes: EmbeddingSizes;
  #tables: readonly tfl.LayerVariable[] = [];
  constructor(config: EmbeddingSizes) {
    super(config as object);
    this.#sizes = config;
  }
  override build(): void {
    const { vocabularySize, sequenceLength, embeddingDim } = this.#sizes;
    const zeros = tfl.initializers.zeros();
    this.#tables = [
      this.addWeight("embeddings", [vocabularySize, embeddingDim], "float32", zeros),
      this.addWeight("position_embeddings", [sequenceLength, embeddingDim], "float32", zeros),
    ];
    this.built = true;
  }
  override computeOutputShape(tokens: tfl.Shape): tfl.Shape {
    return [...tokens, this.#sizes.embeddingDim];
  }
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const tokens = Array.isArray(inputs) ? inputs[0]! : inputs;
    const [rows, positions] = this.#tables.map((table) => table.read());
    return tf.add(tf.gather(rows!, tf.cast(tokens, "int32")), positions!);
  }
}

/** qkv [B, T, 3 D] -> [B, T, D] */
class CausalSelfAttention extends tfl.layers.Layer {
  static className = "CausalSelfAttention";
  readonly #heads: number;
  constructor(config: { readonly numHeads: number }) {
    super(config as object);
    this.#heads = config.numHeads;
  }
  override computeOutputShape([batch, positions, features]: tfl.Shape): tfl.Shape {
    return [batch!, positions!, features! / 3];
  }
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const qkv = Array.isArray(inputs) ? inputs[0]! : inputs;
    const [batch, positions, features] = qkv.shape as [number, number, number];
    const width = features / 3 / this.#heads;
    const parts = tf.transpose(tf.reshape(qkv, [batch, positions, 3, this.#heads, width]), [2, 0, 3, 1, 4]);
    const [q, k, v] = tf.unstack(parts);
    const scores = tf.div(tf.matMul(q!, k!, false, true), Math.sqrt(width));
    const seen = tf.linalg.bandPart(tf.ones([positions, positions]), -1, 0);
    const hidden = tf.mul(tf.sub(1, seen), -1e30);
    const sums = tf.matMul(tf.softmax(tf.add(scores, hidden)), v!);
    return tf.reshape(tf.transpose(sums, [0, 2, 1, 3]), [batch, positions, features / 3]);
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
  tf.serialization.registerClass(TokenAndPositionEmbedding);
  tf.serialization.registerClass(CausalSelfAttention);
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
