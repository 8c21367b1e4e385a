// A model's layers with activations as stages of their own, except those that the op before them does on the way out.

import { inputsOf, type Activation, type Conv2D, type Dense, type Layer, type Topology } from "./topology.ts";

export interface Stage {
  readonly layer: Layer;
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
  const last = splitStages(layers).find(({ names }) => names.includes(output))?.layer;
  return last !== undefined && "activation" in last ? last.activation : "linear";
}

/** The source with the part's activation done inside it, or undefined where it needs a stage of its own. */
function join(source: Stage, { layer, names }: Stage, reads: readonly string[]): Stage | undefined {
  if (layer.className !== "Activation") return undefined;
  const all = [...source.names, ...names];
  if (layer.activation === "linear") return { ...source, names: all };
  // Each name but the first was read by an identity that has joined before: one read more is this part's.
  const isOnlyReader = reads.filter((name) => source.names.includes(name)).length === source.names.length;
  return isOnlyReader && layer.activation === "relu" && canFuse(source.layer)
    ? { ...source, layer: { ...source.layer, activation: "relu" }, names: all }
    : undefined;
}

function splitActivation(layer: Layer, inputs: readonly string[]): readonly Stage[] {
  const { name } = layer;
  if (!hasWeights(layer) || layer.activation === "linear") return [{ layer, inputs, names: [name] }];
  const { activation } = layer;
  const before = `${name}@linear`;
  return [
    { layer: { ...layer, activation: "linear" }, inputs, names: [before] },
    { layer: { className: "Activation", name, activation }, inputs: [before], names: [name] },
  ];
}

function canFuse(layer: Layer): layer is Dense | Conv2D {
  return hasWeights(layer) && layer.activation === "linear";
}

function hasWeights(layer: Layer): layer is Dense | Conv2D {
  return layer.className === "Dense" || layer.className === "Conv2D";
}
