// Writes a trained model as tf.js's `LayersModel.save()` does: model.json, and the weights' bytes in one file beside it.

import { formatTopology } from "./format-topology.ts";
import { layoutsOf } from "./build.ts";
import { pickTensors, type NamedTensor } from "./safetensors.ts";
import type { Layer, Topology } from "./topology.ts";

export const TFJS_WEIGHTS_FILE = "weights.bin";

/** Layers that tf.js reads only where its user has registered a class of that name (docs/models.md). */
const foreign: readonly Layer["className"][] = [
  "LocalResponseNormalization",
  "TokenAndPositionEmbedding",
  "CausalSelfAttention",
  "KMeans",
];

export interface TfjsModel {
  readonly modelJson: string;
  /** weights.bin in parts, which are views of the tensors. */
  readonly weights: readonly Uint8Array[];
  /** Class names that tf.js does not know by itself. */
  readonly foreignLayers: readonly string[];
}

/**
 * `metadata` lands in the file as `userDefinedMetadata`, which tf.js keeps. Throws SltrainError "parameters-mismatch" naming
 * all tensors that are missing or of another shape.
 */
export function formatTfjs(
  topology: Topology,
  tensors: ReadonlyMap<string, NamedTensor>,
  metadata: Readonly<Record<string, unknown>>,
): TfjsModel {
  const expected = Object.values(layoutsOf(topology)).flatMap(({ entries }) => entries);
  const picked = pickTensors(tensors, expected, topology.name);
  const weights = picked.map(({ name, shape }) => ({ name, shape, dtype: "float32" }));
  const classNames = new Set(topology.layers.map(({ className }) => className));
  return {
    modelJson: formatTopology(topology, {
      weightsManifest: [{ paths: [TFJS_WEIGHTS_FILE], weights }],
      userDefinedMetadata: metadata,
    }),
    weights: picked.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
    foreignLayers: foreign.filter((className) => classNames.has(className)),
  };
}
