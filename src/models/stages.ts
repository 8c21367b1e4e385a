// A model's layers with activations as stages of their own, except a relu that the op before it does on the way out.

import type { Activation, Conv2D, Dense, Layer, Topology } from "./topology.ts";

export interface Stage {
  readonly layer: Layer;
  /** The layers whose output this stage's is: more than one where an activation is fused or the identity. */
  readonly names: readonly string[];
}

export function splitStages(layers: readonly Layer[]): readonly Stage[] {
  const stages: Stage[] = [];
  for (const layer of layers.flatMap(splitActivation)) {
    const before = stages.at(-1);
    const joined = before && layer.className === "Activation" ? join(before, layer.activation) : undefined;
    if (before === undefined || joined === undefined) stages.push({ layer, names: [layer.name] });
    else stages[stages.length - 1] = { layer: joined, names: [...before.names, layer.name] };
  }
  return stages;
}

/** What the model does last: "linear" where that is no activation. */
export function finalActivation({ layers }: Topology): Activation {
  const last = splitStages(layers).at(-1)?.layer;
  return last !== undefined && "activation" in last ? last.activation : "linear";
}

/** The stage's layer with the activation done inside it, or undefined where it needs a stage of its own. */
function join({ layer }: Stage, activation: Activation): Layer | undefined {
  if (activation === "linear") return layer;
  return activation === "relu" && hasWeights(layer) && layer.activation === "linear"
    ? { ...layer, activation }
    : undefined;
}

function splitActivation(layer: Layer): readonly Layer[] {
  if (!hasWeights(layer)) return [layer];
  const { name, activation } = layer;
  return [
    { ...layer, activation: "linear" },
    { className: "Activation", name, activation },
  ];
}

function hasWeights(layer: Layer): layer is Dense | Conv2D {
  return layer.className === "Dense" || layer.className === "Conv2D";
}
