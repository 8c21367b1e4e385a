// Reads a model's topology from a model.json: the file that TensorFlow.js's `model.save()` writes, Keras's `to_json()`,
// Keras 3's `config.json`. Sequential models, and functional ones with one input and one output; weights are not read.

import { z } from "zod";
import { functionalConfig, layerEntry, readGraph, type WiredEntry } from "./keras-graph.ts";
import { countSchema, layerSchemas } from "./keras-layers.ts";
import { check, damaged, readAll, unsupported, type JsonPath } from "./model-errors.ts";
import { parseJson } from "./parse-json.ts";
import { joins, MODEL_INPUT, type Layer, type Topology } from "./topology.ts";

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
    return toTopology(
      name,
      layers.map((entry) => ({ entry })),
      build_input_shape,
      where,
    );
  }
  if (class_name === "Functional" || class_name === "Model") {
    const model = check(functionalConfig, config, where, path);
    return toTopology(model.name, readGraph(model, where), undefined, where);
  }
  throw unsupported(where, `model class ${class_name}`, ["Sequential", "Functional", "Model"]);
}

function toTopology(
  name: string,
  entries: readonly WiredEntry[],
  buildInputShape: unknown,
  where: string,
): Topology {
  const first = entries[0]?.entry;
  const inputShape = first?.config.batch_input_shape ?? first?.config.batch_shape ?? buildInputShape;
  const own = first?.class_name === "InputLayer" ? entries.slice(1) : entries;
  const layers = readLayers(own, Array.isArray(inputShape) ? inputShape.length : undefined, where);
  const twin = layers.find(
    (layer, index) => layers.findIndex((other) => other.name === layer.name) !== index,
  );
  if (twin !== undefined) throw damaged(where, `two layers are named ${JSON.stringify(twin.name)}`);
  if (layers.length === 0) throw damaged(where, "a model without layers");
  return { name, inputShape: sampleShape(inputShape, where), layers };
}

/** `inputRank` counts the batch; undefined if the file does not say it. */
function readLayers(
  entries: readonly WiredEntry[],
  inputRank: number | undefined,
  where: string,
): readonly Layer[] {
  const ranks = new Map([[MODEL_INPUT, inputRank]]);
  let before = MODEL_INPUT;
  return readAll(
    entries.map((wired, index) => () => {
      const rank = ranks.get(wired.inputs?.[0] ?? before);
      before = String(wired.entry.config.name);
      const layer = readLayer(wired, rank, index, where);
      ranks.set(before, flattening.has(layer.className) ? 2 : rank);
      return layer;
    }),
    where,
  );
}

const flattening = new Set<Layer["className"]>(["Flatten", "GlobalAveragePooling2D"]);

function readLayer(
  { entry: { class_name, config }, inputs }: WiredEntry,
  inputRank: number | undefined,
  index: number,
  where: string,
): Layer {
  const subject = `${class_name} layer ${JSON.stringify(config.name ?? index)}`;
  if (!isSupported(class_name)) {
    throw unsupported(where, subject, ["InputLayer", ...Object.keys(layerSchemas)]);
  }
  // Null is Keras's word for "none of it": a regularizer that is null is no regularizer.
  const stated = Object.fromEntries(Object.entries(config).filter(([, setting]) => setting !== null));
  if ("axis" in stated) stated.axis = axisFromEnd(stated.axis, inputRank);
  const layer = check(layerSchemas[class_name], stated, where, ["config"], `${subject}: `);
  const count = inputs?.length ?? 1;
  if (joins(layer) ? count < 2 : count > 1) {
    const expected = joins(layer) ? "two inputs or more" : "one input";
    throw damaged(where, `${subject}: expected ${expected}, got ${count}`);
  }
  return {
    ...layer,
    ...(inputs !== undefined && { inputs }),
    ...(stated.trainable === false && { trainable: false }),
  };
}

/** -1 for the last axis, which files also count from the front or put into a list; others stay as they are. */
function axisFromEnd(axis: unknown, rank: number | undefined): unknown {
  const only: unknown = Array.isArray(axis) && axis.length === 1 ? axis[0] : axis;
  return rank === undefined || only === rank - 1 ? -1 : only;
}

function isSupported(className: string): className is keyof typeof layerSchemas {
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
