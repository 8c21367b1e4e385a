// A functional Keras model as the list of its layers, if it is a plain chain.

import { z } from "zod";
import { damaged, unsupported } from "./model-errors.ts";

export const layerEntry = z.looseObject({
  class_name: z.string(),
  name: z.string().optional(),
  config: z.record(z.string(), z.unknown()),
  inbound_nodes: z.array(z.unknown()).default([]),
});
export type LayerEntry = z.output<typeof layerEntry>;

/** `[layer's name, node, tensor, ...]` */
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

const chainsOnly = ["models that are a plain chain of layers, with one input and one output"];

/** The layers from input to output. Throws "model-unsupported" where the model branches. */
export function chainOf(model: z.output<typeof functionalConfig>, where: string): readonly LayerEntry[] {
  const input = onlyName(model.input_layers, "inputs", where);
  const output = onlyName(model.output_layers, "outputs", where);

  const next = new Map<string, LayerEntry>();
  for (const entry of model.layers) {
    const sources = sourceNames(entry.inbound_nodes);
    if (sources.length > 1) {
      throw unsupported(
        where,
        `layer ${nameOf(entry)} with ${sources.length} sources (${sources.join(", ")})`,
        chainsOnly,
      );
    }
    for (const source of sources) {
      const sibling = next.get(source);
      if (sibling !== undefined) {
        throw unsupported(
          where,
          `layer ${source} with two readers (${nameOf(sibling)}, ${nameOf(entry)})`,
          chainsOnly,
        );
      }
      next.set(source, entry);
    }
  }

  const chain: LayerEntry[] = [];
  let at = model.layers.find((entry) => nameOf(entry) === input);
  // The bound ends the walk through a damaged file's cycle.
  while (at !== undefined && chain.length <= model.layers.length) {
    chain.push(at);
    at = next.get(nameOf(at));
  }
  const last = chain.at(-1);
  if (last === undefined || nameOf(last) !== output || chain.length !== model.layers.length) {
    throw damaged(where, `expected a chain of ${model.layers.length} layers from ${input} to ${output}`);
  }
  return chain;
}

function onlyName(
  references: readonly (readonly [string, ...unknown[]])[],
  what: string,
  where: string,
): string {
  const [reference] = references;
  if (reference === undefined || references.length > 1) {
    throw unsupported(where, `a model with ${references.length} ${what}`, chainsOnly);
  }
  return reference[0];
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
