// A model's layers with activations as stages of their own, except those that the op before them does on the way out.

import type { Activation as FusedActivation } from "../kernels/ops/elementwise.ts";
import { inputsOf, type Activation, type Layer, type Topology } from "./topology.ts";

export interface Stage {
  /** Without its own activation. */
  readonly layer: Layer;
  /** What the layer's op does on the way out. */
  readonly activation: FusedActivation;
  /** What it reads: `names` of earlier stages, or MODEL_INPUT. */
  readonly inputs: readonly string[];
  /** The layers whose output this stage's is: more than one where an activation is fused or the identity. */
  readonly names: readonly string[];
}

/** Each after what it reads. */
export function splitStages(layers: readonly Layer[]): readonly Stage[] {
  const wiring = inputsOf(layers);
  const parts = layers.flatMap((layer, index) => splitActivation(layer, wiring[index]!));
  const reads = parts.flatMap(({ inputs }) => inputs);
  const stages: Stage[] = [];
  for (const part of parts) {
    const source = stages.findIndex(({ names }) => names.includes(part.inputs[0]!));
    const joined = source < 0 ? undefined : join(stages[source]!, part, reads);
    if (joined === undefined) stages.push(part);
    else stages[source] = joined;
  }
  return stages;
}

/** What the model does last: "linear" where that is no activation. */
export function finalActivation({ layers }: Topology): Activation {
  const output = layers.at(-1)?.name ?? "";
  const last = splitStages(layers).find(({ names }) => names.includes(output));
  if (last?.layer.className === "Activation") return last.layer.activation;
  return last === undefined || last.activation === "none" ? "linear" : last.activation;
}

/** The source with the part's activation done inside it, or undefined where it needs a stage of its own. */
function join(source: Stage, { layer, names }: Stage, reads: readonly string[]): Stage | undefined {
  if (layer.className !== "Activation") return undefined;
  const all = [...source.names, ...names];
  if (layer.activation === "linear") return { ...source, names: all };
  // Each name but the first was read by an identity that has joined before: one read more is this part's.
  const isOnlyReader = reads.filter((name) => source.names.includes(name)).length === source.names.length;
  const canFuse = fusing.has(source.layer.className) && source.activation === "none";
  return isOnlyReader && canFuse && layer.activation === "relu"
    ? { ...source, activation: "relu", names: all }
    : undefined;
}

/** Layers whose ops take an activation. */
const fusing = new Set<Layer["className"]>([
  "Dense",
  "Conv2D",
  "DepthwiseConv2D",
  "BatchNormalization",
  "Add",
]);

function splitActivation(layer: Layer, inputs: readonly string[]): readonly Stage[] {
  const { name } = layer;
  const stage = { layer, activation: "none", inputs, names: [name] } as const;
  if (layer.className === "Activation" || !("activation" in layer) || layer.activation === "linear")
    return [stage];
  const { activation } = layer;
  const before = `${name}@linear`;
  return [
    { ...stage, layer: { ...layer, activation: "linear" }, names: [before] },
    { ...stage, layer: { className: "Activation", name, activation }, inputs: [before] },
  ];
}
