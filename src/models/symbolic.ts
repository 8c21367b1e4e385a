// Symbolic tensors: how a module's layers are connected before they are a model.

import { SltrainError } from "../errors.ts";
import { buildModel } from "./build.ts";
import { defaultNames, type LooseLayer } from "./compose.ts";
import { formatTopology } from "./format-topology.ts";
import { parseTopology } from "./parse-topology.ts";
import { joins, MODEL_INPUT, type Layer, type Topology } from "./topology.ts";

/** What a layer hands on, without numbers: of one sample, the batch is sltrain's. */
export interface SymbolicTensor {
  /** In the order of their making; a tensor's sources have lower ones. */
  readonly id: number;
  /** Undefined for the model's input. */
  readonly layer: LayerCall | undefined;
  readonly sources: readonly SymbolicTensor[];
  /** Of the input alone. */
  readonly shape: readonly number[] | undefined;
}

interface LayerCall {
  readonly settings: LooseLayer;
  readonly options: LayerOptions;
  /** File and line of the module that made the layer. */
  readonly at: string;
}

/** A layer; calling it on what it reads gives what it hands on. Each is called once: weights are not shared. */
export type LayerFunction = (...sources: readonly SymbolicTensor[]) => SymbolicTensor;

/** What every layer takes. */
export interface LayerOptions {
  /** Default: as a fresh Keras session counts, `dense`, `dense_1`. */
  readonly name?: string;
  /** False: the layer's weights stay as they are. */
  readonly trainable?: boolean;
}

let tensors = 0;

/** The model's input: one sample's shape, [features] or [height, width, channels]. */
export function input(shape: readonly number[]): SymbolicTensor {
  return { id: tensors++, layer: undefined, sources: [], shape };
}

/** `settings` without a name, and what the layer's place in the model says. */
export function layer(settings: LooseLayer, options: LayerOptions): LayerFunction {
  const call: LayerCall = { settings, options, at: callSite() };
  let isCalled = false;
  return (...sources) => {
    if (isCalled) throw graphError(`${told(call)} is called twice, and weights are not shared`);
    isCalled = true;
    const joining = joins(settings as Layer);
    if (joining ? sources.length < 2 : sources.length !== 1)
      throw graphError(
        `${told(call)}: expected ${joining ? "two inputs or more" : "one input"}, got ${sources.length}`,
      );
    return { id: tensors++, layer: call, sources, shape: undefined };
  };
}

/** What of the options is the layer's own. */
export function settingsOf<O extends LayerOptions>({
  name: _name,
  trainable: _trainable,
  ...settings
}: O): Omit<O, keyof LayerOptions> {
  return settings;
}

/**
 * The model from `from`, which `input` made, to `to`. Throws SltrainError "model-shape" naming the layer that cannot take what comes
 * before it, with both shapes and its line in the module, "model-unsupported" naming all settings without kernels, and "model-graph" for what is no graph from that input.
 */
export function model(
  from: SymbolicTensor,
  to: SymbolicTensor,
  { name = "model" }: { readonly name?: string } = {},
): Topology {
  const { shape: inputShape } = from;
  if (inputShape === undefined)
    throw graphError("expected what input() made as the model's input, got a layer's");
  const path = pathTo(to);
  if (path.length === 1) throw graphError("expected a layer at least between input and output, got none");
  if (path.some((tensor) => tensor.layer === undefined && tensor !== from))
    throw graphError("expected layers that follow from the model's own input, got those of another input()");
  const names = new Map<SymbolicTensor, string>([[from, MODEL_INPUT]]);
  const counts = new Map<string, number>();
  const places = new Map<string, string>();
  const layers: Layer[] = [];
  for (const tensor of path) {
    if (tensor.layer === undefined) continue;
    const { settings, options, at } = tensor.layer;
    const inputs = tensor.sources.map((source) => names.get(source)!);
    const before = layers.at(-1)?.name ?? MODEL_INPUT;
    const own = options.name ?? countedName(settings, counts);
    if (places.has(own))
      throw graphError(`expected layers of different names, got ${own} twice (${places.get(own)}, ${at})`);
    names.set(tensor, own);
    places.set(own, at);
    layers.push({
      ...settings,
      name: own,
      ...(inputs.length === 1 && inputs[0] === before ? {} : { inputs }),
      ...(options.trainable === false && { trainable: false }),
    });
  }
  const topology = { name, inputShape, layers };
  // What JavaScript lets through is found as in a model.json, all of it at once.
  parseTopology(formatTopology(topology), name);
  checkShapes(topology, places);
  return topology;
}

function countedName({ className }: LooseLayer, counts: Map<string, number>): string {
  const base = defaultNames[className];
  const count = counts.get(base) ?? 0;
  counts.set(base, count + 1);
  return count === 0 ? base : `${base}_${count}`;
}

/** All that `to` needs and itself, each behind its sources. */
function pathTo(to: SymbolicTensor): readonly SymbolicTensor[] {
  const needed = new Set<SymbolicTensor>();
  const waiting = [to];
  for (let tensor = waiting.pop(); tensor !== undefined; tensor = waiting.pop()) {
    if (needed.has(tensor)) continue;
    needed.add(tensor);
    waiting.push(...tensor.sources);
  }
  return [...needed].sort((a, b) => a.id - b.id);
}

function checkShapes(topology: Topology, places: ReadonlyMap<string, string>): void {
  try {
    buildModel(topology, 1, { training: false });
  } catch (cause) {
    if (!(cause instanceof SltrainError)) throw cause;
    const { code, message, suggestions } = cause;
    const own = [...places.keys()].find((layerName) => message.includes(JSON.stringify(layerName)));
    const at = own === undefined ? "" : `${places.get(own)}: `;
    throw new SltrainError({ code, message: `${at}${message}`, suggestions, cause });
  }
}

function told({ settings, at }: LayerCall): string {
  return `${at}: ${defaultNames[settings.className]}`;
}

function graphError(message: string): SltrainError {
  return new SltrainError({ code: "model-graph", message });
}

/** The line outside of this API that is being run: where the module makes a layer. */
function callSite(): string {
  const lines = (new Error().stack ?? "").split("\n").slice(1);
  const line = lines.find((text) => !/[/\\](symbolic|layers-api)\.[jt]s:/.test(text)) ?? "";
  return /([^/\\(]+:\d+):\d+\)?$/.exec(line)?.[1] ?? "the module";
}
