// From a graph to a program: keeps the nodes that the wanted tensors need, gives every value its place, and plans the
// arena. Wanted tensors are computed straight into their vectors.

import type { Instruction, Place, Plan, Program, Value, ValueId } from "../device/device.ts";
import { SltrainError } from "../errors.ts";
import type { Tensor } from "../kernels/op.ts";
import { add } from "../kernels/ops/elementwise.ts";
import { fill } from "../kernels/ops/fill.ts";
import { alignElements, elementCount, formatType } from "../kernels/tensor.ts";
import { GraphBuilder, layoutOf, type Graph } from "./graph.ts";
import { planMemory } from "./plan.ts";

/** A tensor and the vector (and offset in elements) that it must end in. */
export interface Wanted {
  readonly tensor: Tensor;
  readonly vector: string;
  readonly offset: number;
}

export interface Assembled {
  readonly program: Program;
  readonly plan: Plan;
  /** By wanted tensor: index of the instruction after which it is final. */
  readonly readyAt: readonly number[];
}

type VectorPlace = Extract<Place, { kind: "vector" }>;

function inVector(vector: string, offset: number): VectorPlace {
  return { kind: "vector", vector, offset };
}

/**
 * `vectors` are the sizes (elements) of the vectors that the wanted tensors lie in; those of parameters, statistics
 * and the inputs in use are added. Throws SltrainError "result-not-f32".
 */
export function assemble(
  graph: Graph,
  wanted: readonly Wanted[],
  vectors: Readonly<Record<string, number>>,
): Assembled {
  const { graph: placed, places, origins } = placeWanted(graph, wanted);
  const nodes = neededNodes(placed, origins);
  const sources = viewSources(placed);

  const values: Value[] = [];
  const valueOf = new Map<number, ValueId>();
  const define = (tensor: Tensor, name: string): ValueId => {
    valueOf.set(tensor.id, values.length);
    return (
      values.push({ type: tensor.type, name, place: places.get(sources(tensor).id) ?? { kind: "arena" } }) - 1
    );
  };
  const names = outsideNames(placed);
  const readyAt = new Map<number, number>();
  const instructions = nodes.map(({ op, params, inputs, outputs }, index): Instruction => {
    for (const { id } of outputs) readyAt.set(id, index);
    return {
      op,
      params,
      inputs: inputs.map((tensor) => valueOf.get(tensor.id) ?? define(tensor, names.get(tensor.id)!)),
      outputs: outputs.map((tensor, output) =>
        define(tensor, `${op.name}@${index}${output > 0 ? `:${output}` : ""}`),
      ),
    };
  });

  const inputSizes = placed.inputs
    .filter(({ tensor }) => valueOf.has(tensor.id))
    .map(({ name, tensor }) => [`input.${name}`, alignElements(elementCount(tensor.type))] as const);
  return {
    program: {
      values,
      instructions,
      vectors: {
        parameters: layoutOf(placed.parameters).length,
        statistics: layoutOf(placed.statistics).length,
        ...(placed.frozen.length > 0 && { frozen: layoutOf(placed.frozen).length }),
        ...vectors,
        ...Object.fromEntries(inputSizes),
      },
    },
    plan: planMemory(values, instructions),
    readyAt: origins.map(({ id }) => readyAt.get(id)!),
  };
}

/** Follows views back to the tensor whose memory they share. */
function viewSources(graph: Graph): (tensor: Tensor) => Tensor {
  const sourceOf = new Map(
    graph.nodes
      .filter(({ op }) => op.view === true)
      .map(({ inputs, outputs }) => [outputs[0]!.id, inputs[0]!]),
  );
  const follow = (tensor: Tensor): Tensor => {
    const source = sourceOf.get(tensor.id);
    return source === undefined ? tensor : follow(source);
  };
  return follow;
}

/**
 * Gives every wanted tensor's memory to its vector. Memory has one place: a tensor that is wanted twice, or that lies
 * in a vector already (the result is a parameter; one tensor is the gradient of two parameters), is added to zeros
 * there by two nodes of its own.
 */
function placeWanted(
  graph: Graph,
  wanted: readonly Wanted[],
): { graph: Graph; places: ReadonlyMap<number, VectorPlace>; origins: readonly Tensor[] } {
  const sources = viewSources(graph);
  const builder = new GraphBuilder(graph);
  const places = new Map<number, VectorPlace>();
  for (const { tensor, offset } of graph.parameters) places.set(tensor.id, inVector("parameters", offset));
  for (const { tensor, offset } of graph.statistics) places.set(tensor.id, inVector("statistics", offset));
  for (const { tensor, offset } of graph.frozen) places.set(tensor.id, inVector("frozen", offset));
  for (const { tensor, name } of graph.inputs) places.set(tensor.id, inVector(`input.${name}`, 0));

  const origins = wanted.map(({ tensor, vector, offset }) => {
    if (tensor.type.dtype !== "f32")
      throw new SltrainError({
        code: "result-not-f32",
        message: `program: ${vector} is ${formatType(tensor.type)} but expected f32`,
      });
    let origin = sources(tensor);
    if (places.has(origin.id)) {
      const zeros = builder.apply(fill, [], { shape: tensor.type.shape, value: 0 });
      origin = builder.apply(add, [tensor, zeros], {});
    }
    places.set(origin.id, inVector(vector, offset));
    return origin;
  });
  return { graph: builder.build(), places, origins };
}

/** The nodes that `tensors` depend on, in the graph's order. */
function neededNodes(graph: Graph, tensors: readonly Tensor[]): Graph["nodes"] {
  const needed = new Set(tensors.map(({ id }) => id));
  return graph.nodes
    .toReversed()
    .filter(({ inputs, outputs }) => {
      if (!outputs.some(({ id }) => needed.has(id))) return false;
      for (const { id } of inputs) needed.add(id);
      return true;
    })
    .toReversed();
}

/** Names of the tensors that no node computes. */
function outsideNames(graph: Graph): ReadonlyMap<number, string> {
  return new Map(
    [...graph.parameters, ...graph.statistics, ...graph.frozen, ...graph.inputs].map(({ tensor, name }) => [
      tensor.id,
      name,
    ]),
  );
}
