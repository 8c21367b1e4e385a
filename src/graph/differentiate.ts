// Reverse-mode differentiation: extends a graph with the nodes that compute the gradient of every parameter.

import { SltrainError, assert } from "../errors.ts";
import type { Tensor } from "../kernels/op.ts";
import { add } from "../kernels/ops/elementwise.ts";
import { fill } from "../kernels/ops/fill.ts";
import { formatType } from "../kernels/tensor.ts";
import { GraphBuilder, type Graph } from "./graph.ts";

export interface Differentiated {
  /** The graph's nodes, then the gradients' in reverse order of what they differentiate: late layers first. */
  readonly graph: Graph;
  /** d(objective)/d(parameter), by parameter; a parameter without influence has a gradient of zeros, and one that leaves sums has these. */
  readonly gradients: readonly Tensor[];
}

/**
 * `objective` is f32[1], and its own gradient `seed` (f32[1], of the graph), 1 if left out. Gradients of a tensor with several uses are summed with `add`; nodes that no parameter needs
 * are not made. Throws SltrainError "objective-not-scalar", or "not-differentiable" naming the op that lies between a
 * parameter and the objective.
 */
export function differentiate(graph: Graph, objective: Tensor, seed?: Tensor): Differentiated {
  if (formatType(objective.type) !== "f32[1]")
    throw new SltrainError({
      code: "objective-not-scalar",
      message: `differentiate: the objective is ${formatType(objective.type)} but expected f32[1]`,
      suggestions: ["Use the sum that a loss op returns."],
    });

  const needed = new Set(
    graph.parameters.flatMap(({ tensor, sums }) => (sums === undefined ? [tensor.id] : [])),
  );
  for (const node of graph.nodes)
    if (node.inputs.some(({ id }) => needed.has(id)))
      for (const output of node.outputs) needed.add(output.id);

  const builder = new GraphBuilder(graph);
  const gradients = new Map<number, Tensor>();
  if (needed.has(objective.id))
    gradients.set(objective.id, seed ?? builder.apply(fill, [], { shape: [1], value: 1 }));

  for (const { op, params, inputs, outputs } of graph.nodes.toReversed()) {
    const outputGrads = outputs.map(({ id }) => gradients.get(id));
    const needs = (input: number): boolean => needed.has(inputs[input]!.id);
    if (outputGrads.every((gradient) => gradient === undefined) || !inputs.some((_, input) => needs(input)))
      continue;
    if (op.vjp === "not-differentiable")
      throw new SltrainError({
        code: "not-differentiable",
        message: `differentiate: ${op.name} -> ${outputs.map(({ type }) => formatType(type)).join(", ")} lies between a parameter and the objective but has no gradient`,
      });
    const inputGrads = op.vjp({
      params,
      inputs,
      outputs,
      outputGrads,
      needs,
      add: builder.add.bind(builder),
    });
    inputGrads.forEach((gradient, input) => {
      if (gradient === undefined || !needs(input)) return;
      const { id, type } = inputs[input]!;
      assert(
        formatType(gradient.type) === formatType(type),
        `the gradient of ${op.name}'s operand ${input} is ${formatType(gradient.type)}, the operand ${formatType(type)}`,
      );
      const sum = gradients.get(id);
      gradients.set(id, sum === undefined ? gradient : builder.apply(add, [sum, gradient], {}));
    });
  }

  const parameterGrads = graph.parameters.map(
    ({ tensor, shape, sums }) =>
      sums ?? gradients.get(tensor.id) ?? builder.apply(fill, [], { shape, value: 0 }),
  );
  return { graph: builder.build(), gradients: parameterGrads };
}
