// Which tensor of a file becomes which of a model's: by our names, by Keras's (the same), by PyTorch's for the same layers, or by
// a dialect's names for a built-in model's. PyTorch keeps weights turned; they are turned back here.

import { SltrainError } from "../../errors.ts";
import { vectorNames, type VectorName } from "../../graph/graph.ts";
import { buildModel } from "../build.ts";
import { headOf } from "../freeze.ts";
import { inputsOf, MODEL_INPUT, type Topology } from "../topology.ts";
import { dialects, type LayerNames } from "./dialects.ts";
import type { WeightFile, WeightTensor } from "./byte-source.ts";

type ReadElements = WeightTensor["read"];

/** `on`: the last layer's weights are left as they begin. `auto`: where they don't fit and other layers are frozen. */
export type NewHead = "auto" | "on" | "off";

export interface Match {
  readonly vector: VectorName;
  /** In elements. */
  readonly offset: number;
  readonly name: string;
  /** Elements [begin, end) of the tensor in our order; to be asked for from the first to the last. */
  readonly read: ReadElements;
}

export interface Matched {
  readonly matches: readonly Match[];
  /** Our tensors that begin as they would without a file. */
  readonly fresh: readonly string[];
}

/** A tensor of theirs that has our name's place, and how it becomes ours. */
interface Candidate {
  readonly name: string;
  /** The shape that the file has then. */
  readonly shape: readonly number[];
  /** Our extents as three, where the file has them the other way round. */
  readonly turned?: Extents;
}

type Extents = readonly [first: number, second: number, third: number];

interface OurTensor {
  readonly layer: string;
  readonly kind: string;
  readonly name: string;
  readonly shape: readonly number[];
  /** Of a dense layer behind Flatten: the image that it flattens. */
  readonly flattened: readonly number[] | undefined;
}

/** Throws SltrainError "weights-mismatch" naming all tensors that are missing or of another shape. */
export function matchWeights(topology: Topology, file: WeightFile, newHead: NewHead): Matched {
  const { graph, layerOutputs } = buildModel(topology, 1, { training: false });
  const shapeOf = (layer: string) =>
    layer === MODEL_INPUT ? topology.inputShape : layerOutputs.get(layer)!.type.shape.slice(1);
  const theirs = indexed(file.tensors);
  const speakers = speakersFor(topology.name);
  const head = headOf(topology);
  const mayBeFresh = (layer: string) =>
    layer === head && (newHead === "on" || (newHead === "auto" && graph.frozen.length > 0));

  const matches: Match[] = [];
  const fresh: string[] = [];
  const wrong: string[] = [];
  for (const vector of vectorNames)
    for (const { name, shape, offset } of graph[vector]) {
      const [layer, kind] = splitName(name);
      const ours = { layer, kind, name, shape, flattened: flattenedBefore(topology, layer, shapeOf) };
      const candidates = speakers.flatMap((speak) => speak(ours));
      const present = candidates.filter((candidate) => theirs.has(candidate.name));
      const fitting = present.find((candidate) => fits(theirs.get(candidate.name)!.shape, candidate.shape));
      const isFresh = mayBeFresh(layer) && (newHead === "on" || fitting === undefined);
      if (isFresh) fresh.push(name);
      else if (fitting === undefined) wrong.push(`${name} [${shape.join()}], got ${told(present, theirs)}`);
      else {
        const tensor = theirs.get(fitting.name)!;
        const readTheirs: ReadElements = (begin, end) => tensor.read(begin, end);
        const read = fitting.turned ? readTurned(readTheirs, fitting.turned) : readTheirs;
        matches.push({ vector, offset, name, read });
      }
    }
  if (wrong.length > 0) throw mismatch(wrong, file, head);
  return { matches, fresh };
}

function mismatch(wrong: readonly string[], { where, tensors }: WeightFile, head: string): SltrainError {
  const isHeadAlone = wrong.every((text) => text.startsWith(`${head}/`));
  const names = tensors.slice(0, 8).map(({ name }) => name);
  return new SltrainError({
    code: "weights-mismatch",
    message: `${where}: expected ${wrong.join("; ")}`,
    suggestions: isHeadAlone
      ? ["Write --new-head on to train a new last layer."]
      : [`The file has ${names.join(", ")}${tensors.length > names.length ? ", …" : ""}.`],
  });
}

function told(present: readonly Candidate[], theirs: ReadonlyMap<string, WeightTensor>): string {
  const [first] = present;
  return first === undefined ? "none" : `${first.name} [${theirs.get(first.name)!.shape.join()}]`;
}

/** Extents of 1 ahead make no difference: Keras's MobileNet ends in a convolution of 1x1. */
function fits(theirs: readonly number[], expected: readonly number[]): boolean {
  const bare = (shape: readonly number[]) => shape.slice(shape.findIndex((extent) => extent !== 1)).join();
  return bare(theirs) === bare(expected);
}

/** By whole name; also by layer and kind alone, where Keras puts folders before or `:0` behind. */
function indexed(tensors: readonly WeightTensor[]): ReadonlyMap<string, WeightTensor> {
  const plain = tensors.map((tensor) => [tensor.name.replace(/:\d+$/, ""), tensor] as const);
  const short = plain.map(([name, tensor]) => [name.split("/").slice(-2).join("/"), tensor] as const);
  return new Map([...short, ...plain]);
}

function splitName(name: string): readonly [layer: string, kind: string] {
  const end = name.lastIndexOf("/");
  return [name.slice(0, end), name.slice(end + 1)];
}

function flattenedBefore(
  { layers }: Topology,
  name: string,
  shapeOf: (layer: string) => readonly number[],
): readonly number[] | undefined {
  const wiring = inputsOf(layers);
  const source = wiring[layers.findIndex((layer) => layer.name === name)]![0]!;
  const flatten = layers.findIndex((layer) => layer.name === source && layer.className === "Flatten");
  return flatten < 0 ? undefined : shapeOf(wiring[flatten]![0]!);
}

type Speaker = (ours: OurTensor) => readonly Candidate[];

function speakersFor(model: string): readonly Speaker[] {
  const own: LayerNames = {};
  return [
    keras(own),
    torch(own),
    ...(dialects[model] ?? []).map(({ name, layers }) => (name === "Keras" ? keras : torch)(layers)),
  ];
}

function keras(layers: LayerNames): Speaker {
  return ({ layer, kind, shape }) => [{ name: `${layers[layer] ?? layer}/${kind}`, shape }];
}

const TORCH_KINDS: Readonly<Record<string, string>> = {
  kernel: "weight",
  depthwise_kernel: "weight",
  gamma: "weight",
  bias: "bias",
  beta: "bias",
  moving_mean: "running_mean",
  moving_variance: "running_var",
};

function torch(layers: LayerNames): Speaker {
  return ({ layer, kind, shape, flattened }) => {
    const theirKind = TORCH_KINDS[kind];
    if (theirKind === undefined) return [];
    const name = `${layers[layer] ?? layer}.${theirKind}`;
    if (!kind.endsWith("kernel")) return [{ name, shape }];
    return [{ name, ...turnedKernel(kind, shape, flattened) }];
  };
}

/** From PyTorch's order to ours: [out, in] to [in, out], OIHW to HWIO, and of a flattened image CHW to HWC. */
function turnedKernel(
  kind: string,
  shape: readonly number[],
  flattened: readonly number[] | undefined,
): Omit<Candidate, "name"> {
  if (shape.length === 4) {
    const [height, width, inputs, outputs] = shape as [number, number, number, number];
    const taps = height * width;
    // A depthwise filter is [channels * multiplier, 1, height, width] there.
    const isDepthwise = kind === "depthwise_kernel";
    const [filters, depth] = isDepthwise ? [inputs * outputs, 1] : [outputs, inputs];
    return {
      shape: [filters, depth, height, width],
      turned: [taps, depth, filters],
    };
  }
  const [inputs, outputs] = shape as [number, number];
  const [height = 1, width = 1, channels = 1] = flattened?.length === 3 ? flattened : [1, 1, inputs];
  const pixels = height * width;
  return {
    shape: [outputs, inputs],
    turned: [pixels, channels, outputs],
  };
}

/** What is read of a turned tensor at a time, in elements. */
const SLAB_ELEMENTS = 2 ** 20;

/** [first, second, third] of what lies as [third, second, first]: as a whole, kept until its last element has been asked for. */
function readTurned(read: ReadElements, extents: Extents): ReadElements {
  let whole: Promise<Float32Array> | undefined;
  return async (begin, end) => {
    whole ??= turn(read, extents);
    const values = await whole;
    if (end === values.length) whole = undefined;
    return values.subarray(begin, end);
  };
}

async function turn(read: ReadElements, [first, second, third]: Extents): Promise<Float32Array> {
  const inner = first * second;
  const slab = Math.max(1, Math.floor(SLAB_ELEMENTS / inner));
  const result = new Float32Array(inner * third);
  for (let begin = 0; begin < third; begin += slab) {
    const end = Math.min(third, begin + slab);
    const values = await read(begin * inner, end * inner);
    for (let a = 0; a < first; a++)
      for (let b = 0; b < second; b++)
        for (let c = begin; c < end; c++)
          result[(a * second + b) * third + c] = values[((c - begin) * second + b) * first + a]!;
  }
  return result;
}
