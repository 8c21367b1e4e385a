// Reads a model's topology from a model.json: the file that TensorFlow.js's `model.save()` writes, Keras's `to_json()`,
// Keras 3's `config.json`. Sequential models, and functional ones that are a plain chain; weights are not read.

import { z } from "zod";
import { chainOf, functionalConfig, layerEntry, type LayerEntry } from "./keras-chain.ts";
import { countSchema, layerSchemas } from "./keras-layers.ts";
import { check, damaged, unsupported, type JsonPath } from "./model-errors.ts";
import { parseJson } from "./parse-json.ts";
import type { Layer, Topology } from "./topology.ts";

const sequentialConfig = z.preprocess(
  // The first versions of Keras wrote the bare list.
  (config) => (Array.isArray(config) ? { layers: config as unknown[] } : config),
  z.looseObject({
    name: z.string().default("sequential"),
    layers: z.array(layerEntry),
    build_input_shape: z.unknown().optional(),
  }),
);

const envelope = z.looseObject({ class_name: z.string(), config: z.unknown() });

/** The batch's extent is null or a number, which sltrain replaces by its own. */
const batchShape = z.tuple([z.unknown()], z.union([countSchema, z.null()]));

/**
 * `where` names the text in messages, usually its path. Throws SltrainError "model-damaged" for what is no model (with
 * the position in the text, or the path in the JSON) and "model-unsupported" for what sltrain has no kernel for.
 */
export function parseTopology(text: string, where: string): Topology {
  const path: string[] = [];
  let value = parseJson(text, where);
  for (const wrapper of ["modelTopology", "model_config"]) {
    if (typeof value !== "object" || value === null || !(wrapper in value)) continue;
    value = (value as Record<string, unknown>)[wrapper];
    path.push(wrapper);
  }
  const { class_name, config } = check(envelope, value, where, path);
  path.push("config");
  if (class_name === "Sequential") {
    const { name, layers, build_input_shape } = check(sequentialConfig, config, where, path);
    return toTopology(name, layers, build_input_shape, where);
  }
  if (class_name === "Functional" || class_name === "Model") {
    const model = check(functionalConfig, config, where, path);
    return toTopology(model.name, chainOf(model, where), undefined, where);
  }
  throw unsupported(where, `model class ${class_name}`, ["Sequential", "Functional", "Model"]);
}

function toTopology(
  name: string,
  entries: readonly LayerEntry[],
  buildInputShape: unknown,
  where: string,
): Topology {
  let inputShape: unknown = buildInputShape;
  const layers: Layer[] = [];
  for (const [index, { class_name, config }] of entries.entries()) {
    const layer = `${class_name} layer ${JSON.stringify(config.name ?? index)}`;
    if (index === 0) inputShape = config.batch_input_shape ?? config.batch_shape ?? inputShape;
    if (index === 0 && class_name === "InputLayer") continue;
    if (!isSupported(class_name))
      throw unsupported(where, layer, ["InputLayer", ...Object.keys(layerSchemas)]);
    // Null is Keras's word for "none of it": a regularizer that is null is no regularizer.
    const stated = Object.fromEntries(Object.entries(config).filter(([, setting]) => setting !== null));
    layers.push(check(layerSchemas[class_name], stated, where, ["config"], `${layer}: `));
  }
  const twin = layers.find(
    (layer, index) => layers.findIndex((other) => other.name === layer.name) !== index,
  );
  if (twin !== undefined) throw damaged(where, `two layers are named ${JSON.stringify(twin.name)}`);
  if (layers.length === 0) throw damaged(where, "a model without layers");
  return { name, inputShape: sampleShape(inputShape, where), layers };
}

function isSupported(className: string): className is Layer["className"] {
  return Object.hasOwn(layerSchemas, className);
}

function sampleShape(shape: unknown, where: string): readonly number[] {
  if (shape === undefined || shape === null) {
    throw unsupported(where, "a model that does not say its input's shape", [
      "batch_shape in the first layer",
    ]);
  }
  const path: JsonPath = ["layers", 0, "config", "batch_shape"];
  const [, ...sample] = check(batchShape, shape, where, path, "input: ");
  if (sample.length === 0 || sample.includes(null)) {
    throw unsupported(where, `an input of shape ${JSON.stringify(shape)}`, [
      "shapes that are fixed but for the batch",
    ]);
  }
  return sample as number[];
}
