// A model of text for one token of each text at a time: what earlier positions have handed to attention comes as an input,
// so that the text so far need not be computed again with every token. Its parameters are those of the whole model.

import type { GraphBuilder } from "../graph/graph.ts";
import { cachedAttention } from "../kernels/ops/cached-attention.ts";
import { add } from "../kernels/ops/elementwise.ts";
import { embedding } from "../kernels/ops/embedding.ts";
import type { Tensor } from "../kernels/op.ts";
import { f32 } from "../kernels/tensor.ts";
import { splitStages } from "./stages.ts";
import type { CausalSelfAttention, Layer, Topology } from "./topology.ts";

export interface OnePosition {
  /** i32[B], where in its text each token stands. */
  readonly positions: Tensor;
  /** T, positions that the model knows. */
  readonly contextLength: number;
}

/** Layers that see a position by itself, or of the others by attention alone. */
const byPosition = new Set<Layer["className"]>([
  ...(["Embedding", "TokenAndPositionEmbedding", "CausalSelfAttention"] as const),
  ...(["Dense", "Activation", "LeakyReLU", "Dropout", "LayerNormalization"] as const),
  ...(["Add", "Multiply", "Concatenate"] as const),
]);

/** Whether the model can take its tokens one after the other. */
export function goesByPosition({ layers }: Topology): boolean {
  return layers.every(({ className }) => byPosition.has(className));
}

/** By input of the model of one position: what the whole model's layer hands to attention, [B,T,3D]. */
export function attendedTensors(
  { layers }: Topology,
  layerOutputs: ReadonlyMap<string, Tensor>,
): ReadonlyMap<string, Tensor> {
  const attentions = splitStages(layers).filter(({ layer }) => layer.className === "CausalSelfAttention");
  return new Map(attentions.map(({ layer, inputs }) => [pastOf(layer), layerOutputs.get(inputs[0]!)!]));
}

function pastOf({ name }: Pick<Layer, "name">): string {
  return `past.${name}`;
}

/** tokens i32[B] -> [B,D] */
export function addEmbeddingsAt(
  builder: GraphBuilder,
  { positions }: OnePosition,
  tokens: Tensor,
  tables: { readonly tokens: Tensor; readonly positions: Tensor },
): Tensor {
  const row = builder.apply(embedding, [tokens, tables.tokens], {});
  return builder.apply(add, [row, builder.apply(embedding, [positions, tables.positions], {})], {});
}

/** qkv[B,3D] -> [B,D] */
export function addAttentionAt(
  builder: GraphBuilder,
  { positions, contextLength }: OnePosition,
  layer: CausalSelfAttention,
  qkv: Tensor,
): Tensor {
  const [batch, features] = qkv.type.shape as [number, number];
  const past = builder.input(pastOf(layer), f32(batch, contextLength, features));
  return builder.apply(cachedAttention, [qkv, past, positions], { heads: layer.numHeads });
}
