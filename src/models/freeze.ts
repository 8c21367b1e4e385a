// Frozen layers: their weights stay as they are. `--freeze` says which; where they come first in a model, what they make of
// a sample never changes and is computed once.

import { SltrainError } from "../errors.ts";
import { nearestName } from "../nearest-name.ts";
import { buildModel } from "./build.ts";
import { inputsOf, MODEL_INPUT, type Topology } from "./topology.ts";

export const ALL_BUT_HEAD = "all-but-head";

/** Names of the layers that have tensors, in the topology's order. */
export function layersWithWeights(topology: Topology): readonly string[] {
  const { graph } = buildModel(topology, 1, { training: false });
  const tensors = [...graph.parameters, ...graph.statistics, ...graph.frozen];
  const owners = new Set(tensors.map(({ name }) => name.slice(0, name.lastIndexOf("/"))));
  return topology.layers.map(({ name }) => name).filter((name) => owners.has(name));
}

/** The last layer with weights: what a new task replaces. */
export function headOf(topology: Topology): string {
  return layersWithWeights(topology).at(-1) ?? "";
}

/**
 * `spec`: `all-but-head`, or names of layers with `*` for any characters, separated by commas. Layers that are frozen already
 * stay so. Throws SltrainError "freeze-unknown" naming all patterns that fit no layer with weights, and "freeze-all" where
 * nothing would be left to train.
 */
export function freezeLayers(topology: Topology, spec: string): Topology {
  const names = layersWithWeights(topology);
  const chosen = new Set(spec === ALL_BUT_HEAD ? names.slice(0, -1) : matching(names, spec, topology.name));
  const layers = topology.layers.map((layer) =>
    chosen.has(layer.name) ? { ...layer, trainable: false as const } : layer,
  );
  const frozen = { ...topology, layers };
  refuseAllFrozen(frozen);
  return frozen;
}

/** Throws SltrainError "freeze-all" for a model without a trained parameter. */
export function refuseAllFrozen(topology: Topology): void {
  const { graph } = buildModel(topology, 1, { training: false });
  if (graph.parameters.length > 0) return;
  throw new SltrainError({
    code: "freeze-all",
    message: `${topology.name}: expected a layer that is trained, got all of them frozen: ${layersWithWeights(topology).join(", ")}`,
    suggestions: [`Freeze fewer: --freeze ${ALL_BUT_HEAD} trains the last layer.`],
  });
}

function matching(names: readonly string[], spec: string, model: string): readonly string[] {
  const patterns = spec.split(",").map((pattern) => pattern.trim());
  const unknown = patterns.filter((pattern) => !names.some((name) => matches(pattern, name)));
  if (unknown.length > 0) {
    const near = unknown.flatMap((pattern) => nearestName(pattern, names) ?? []);
    throw new SltrainError({
      code: "freeze-unknown",
      message: `--freeze: expected layers with weights of ${model} (${names.join(", ")}), got ${unknown.map((pattern) => JSON.stringify(pattern)).join(", ")}`,
      suggestions:
        near.length > 0 ? [`Did you mean ${near.join(", ")}?`] : [`Or write ${ALL_BUT_HEAD}, or dense*.`],
    });
  }
  return names.filter((name) => patterns.some((pattern) => matches(pattern, name)));
}

function matches(pattern: string, name: string): boolean {
  const source = pattern.split("*").map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, "\\$&"));
  return new RegExp(`^${source.join(".*")}$`).test(name);
}

export interface SplitModel {
  /** From the model's input to the features; all its weights are frozen. */
  readonly extractor: Topology;
  /** From the features to the model's output. */
  readonly head: Topology;
}

/**
 * The longest beginning of the model without anything that training changes or draws (dropout), cut where one tensor alone goes
 * on; undefined where it has no weights. `features`: the shape of that tensor.
 */
export function splitAtFeatures(topology: Topology): SplitModel | undefined {
  const { layers } = topology;
  const withWeights = new Set(layersWithWeights(topology));
  const changes = layers.findIndex(
    ({ name, className, trainable }) =>
      className === "Dropout" || (withWeights.has(name) && trainable !== false),
  );
  const wiring = inputsOf(layers);
  const isCut = (end: number): boolean => {
    const before = new Set([MODEL_INPUT, ...layers.slice(0, end - 1).map(({ name }) => name)]);
    return wiring.slice(end).every((inputs) => inputs.every((input) => !before.has(input)));
  };
  let end = changes < 0 ? layers.length - 1 : changes;
  while (end > 0 && !isCut(end)) end--;
  const prefix = layers.slice(0, end);
  if (!prefix.some(({ name }) => withWeights.has(name))) return undefined;
  const last = prefix.at(-1)!.name;
  const { layerOutputs } = buildModel(topology, 1, { training: false });
  const rest = layers.slice(end).map((layer, index) => ({
    ...layer,
    inputs: wiring[end + index]!.map((input) => (input === last ? MODEL_INPUT : input)),
  }));
  return {
    extractor: { ...topology, name: `${topology.name}-extractor`, layers: prefix },
    head: {
      name: `${topology.name}-head`,
      inputShape: layerOutputs.get(last)!.type.shape.slice(1),
      layers: rest.map(({ inputs, ...layer }, index) => {
        const before = rest[index - 1]?.name ?? MODEL_INPUT;
        return inputs.length === 1 && inputs[0] === before ? layer : { ...layer, inputs };
      }),
    },
  };
}
