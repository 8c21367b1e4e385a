// A functional Keras model as a list of layers, each after what it reads.

import { z } from "zod";
import type { SltrainError } from "../errors.ts";
import { damaged, throwAll, unsupported } from "./model-errors.ts";
import { MODEL_INPUT } from "./topology.ts";

export const layerEntry = z.looseObject({
  class_name: z.string(),
  name: z.string().optional(),
  config: z.record(z.string(), z.unknown()),
  inbound_nodes: z.array(z.unknown()).default([]),
});
export type LayerEntry = z.output<typeof layerEntry>;

/** `[layer's name, node, tensor, the call's settings]` */
const tensorReference = z.tuple([z.string()], z.unknown());

const tensorReferences = z.preprocess(
  // Keras 3 leaves the outer list away where there is one tensor.
  (value) => (Array.isArray(value) && typeof value[0] === "string" ? [value as unknown[]] : value),
  z.array(tensorReference),
);

export const functionalConfig = z.looseObject({
  name: z.string().default("model"),
  layers: z.array(layerEntry),
  input_layers: tensorReferences,
  output_layers: tensorReferences,
});
export type FunctionalConfig = z.output<typeof functionalConfig>;

/** A layer and the names of what it reads; without them, the layer before. */
export interface WiredEntry {
  readonly entry: LayerEntry;
  readonly inputs?: readonly string[];
}

/** The InputLayer first, the output last; otherwise in the file's order wherever that is possible. */
export function readGraph(model: FunctionalConfig, where: string): readonly WiredEntry[] {
  const { input, output, sources } = readConnections(model, where);
  const ordered = inOrder(sources);
  const stuck = model.layers.find((entry) => !ordered.includes(entry));
  if (stuck !== undefined) {
    const names = sources.get(stuck)!.join(", ");
    throw damaged(where, `expected layer ${nameOf(stuck)} to follow from the input, it reads ${names}`);
  }
  const isInput = (entry: LayerEntry) => nameOf(entry) === input && entry.class_name === "InputLayer";
  const roots = ordered.filter((entry) => sources.get(entry)!.length === 0);
  if (roots.length !== 1 || !isInput(roots[0]!)) {
    throw damaged(where, `expected one InputLayer ${input}, got ${roots.map(nameOf).join(", ") || "none"}`);
  }
  const useful = new Set([output]);
  for (const entry of ordered.toReversed()) {
    if (!useful.has(nameOf(entry)))
      throw damaged(where, `expected layer ${nameOf(entry)} to lead to the output ${output}`);
    for (const source of sources.get(entry)!) useful.add(source);
  }
  return ordered.map((entry, index) => {
    const names = sources.get(entry)!;
    if (index === 0 || names.join() === nameOf(ordered[index - 1]!)) return { entry };
    return { entry, inputs: names.map((name) => (name === input ? MODEL_INPUT : name)) };
  });
}

interface Connections {
  readonly input: string;
  readonly output: string;
  /** By layer: the names of what it reads. */
  readonly sources: ReadonlyMap<LayerEntry, readonly string[]>;
}

/** Throws "model-unsupported" naming all of several inputs or outputs, and layers called twice or with settings. */
function readConnections(model: FunctionalConfig, where: string): Connections {
  const errors: SltrainError[] = [];
  const refuse = (what: string, supported: string) => errors.push(unsupported(where, what, [supported]));
  for (const [what, references] of [
    ["inputs", model.input_layers],
    ["outputs", model.output_layers],
  ] as const) {
    if (references.length !== 1)
      refuse(`a model with ${references.length} ${what}`, "one input and one output");
  }
  for (const entry of model.layers) {
    const { class_name, inbound_nodes } = entry;
    const layer = `${class_name} layer ${JSON.stringify(nameOf(entry))}`;
    if (inbound_nodes.length > 1)
      refuse(`${layer}, called ${inbound_nodes.length} times,`, "layers that are called once");
    const settings = inbound_nodes.flatMap(callSettings);
    if (settings.length > 0)
      refuse(`${layer}, called with ${settings.join(", ")},`, "calls without settings");
  }
  throwAll(errors, where);
  return {
    input: model.input_layers[0]![0],
    output: model.output_layers[0]![0],
    sources: new Map(model.layers.map((entry) => [entry, entry.inbound_nodes.flatMap(sourceNames)])),
  };
}

/** As many of the layers as can stand after what they read, each as early as the given order allows. */
function inOrder(sources: Connections["sources"]): readonly LayerEntry[] {
  const waiting = new Set(sources.keys());
  const done = new Set<string>();
  const ordered: LayerEntry[] = [];
  const isReady = (entry: LayerEntry) => sources.get(entry)!.every((source) => done.has(source));
  for (;;) {
    const next = [...waiting].find(isReady);
    if (next === undefined) return ordered;
    waiting.delete(next);
    done.add(nameOf(next));
    ordered.push(next);
  }
}

function nameOf(entry: LayerEntry): string {
  return entry.name ?? String(entry.config.name);
}

/** The layers that a layer reads: Keras 3 buries the reference in a tensor's `keras_history`, Keras 2 and tf.js in lists. */
function sourceNames(inboundNodes: unknown): readonly string[] {
  if (typeof inboundNodes !== "object" || inboundNodes === null) return [];
  const reference = tensorReference.safeParse(inboundNodes);
  return reference.success ? [reference.data[0]] : Object.values(inboundNodes).flatMap(sourceNames);
}

/** `training = false`: what a call says besides its tensors, in Keras 3's `kwargs` or behind a reference. */
function callSettings(node: unknown): readonly string[] {
  if (typeof node !== "object" || node === null) return [];
  const settings = Array.isArray(node)
    ? node.map((reference: unknown) => (Array.isArray(reference) ? (reference[3] as unknown) : undefined))
    : ["kwargs" in node ? node.kwargs : undefined];
  return settings
    .flatMap((setting) => Object.entries(setting ?? {}))
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
}
