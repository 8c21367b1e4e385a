// Training and inference programs of a graph: what a device compiles. The vectors are "parameters", "gradients",
// "statistics", "frozen", "input.<name>" and "result.<name>".

import type { Plan, Program } from "../device/device.ts";
import { assert } from "../errors.ts";
import type { Tensor } from "../kernels/op.ts";
import { alignElements, elementCount, f32 } from "../kernels/tensor.ts";
import type { Layout } from "../shard/layout.ts";
import { assemble, type Wanted } from "./assemble.ts";
import { differentiate } from "./differentiate.ts";
import { fuse } from "./fuse.ts";
import { GraphBuilder, layoutOf, type Graph } from "./graph.ts";

export interface InferenceProgram {
  readonly program: Program;
  readonly plan: Plan;
  readonly parameters: Layout;
  readonly statistics: Layout;
}

export interface TrainingProgram extends InferenceProgram {
  /** By entry of `parameters`: index of the instruction after which its gradient is final. */
  readonly gradientReadyAt: readonly number[];
}

export interface TrainingOptions {
  /**
   * Whether the gradients are those of the objective times "input.lossScale" (f32[1]), which keeps small ones from vanishing
   * where kernels round to f16. Results are as without.
   */
  readonly scalesLoss?: boolean | undefined;
}

function wantedResults(results: Readonly<Record<string, Tensor>>): Wanted[] {
  return Object.entries(results).map(([name, tensor]) => ({ tensor, vector: `result.${name}`, offset: 0 }));
}

function resultSizes(results: Readonly<Record<string, Tensor>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(results).map(([name, { type }]) => [`result.${name}`, alignElements(elementCount(type))]),
  );
}

function tensorsOf(wanted: readonly Wanted[]): readonly Tensor[] {
  return wanted.map(({ tensor }) => tensor);
}

/** Written over the old values: in a graph that updates a statistic, only the update reads it. */
function wantedStatistics({ nodes, statistics }: Graph): Wanted[] {
  return statistics.flatMap(({ name, tensor, next, offset }) => {
    if (next === undefined) return [];
    const readers = nodes.filter(({ inputs }) => inputs.includes(tensor));
    assert(
      readers.every(({ outputs }) => outputs.includes(next)),
      `${name} is read by others than its update`,
    );
    return [{ tensor: next, vector: "statistics", offset }];
  });
}

/**
 * Forward and backward pass: each run overwrites the gradients of `objective` (f32[1], a sum over the batch) and the
 * results, and takes the statistics one step on. Late layers' gradients come first. Throws as `differentiate` and
 * `assemble` do.
 */
export function buildTrainingProgram(
  graph: Graph,
  objective: Tensor,
  results: Readonly<Record<string, Tensor>>,
  { scalesLoss = false }: TrainingOptions = {},
): TrainingProgram {
  const others = [...wantedStatistics(graph), ...wantedResults(results)];
  const sums = graph.parameters.flatMap((parameter) => parameter.sums ?? []);
  const forward = fuse(graph, [objective, ...tensorsOf(others), ...sums]);
  const builder = new GraphBuilder(forward);
  const lossScale = scalesLoss ? builder.input("lossScale", f32(1)) : undefined;
  const { graph: extended, gradients } = differentiate(builder.build(), objective, lossScale);
  const parameters = layoutOf(graph.parameters);
  const wantedGradients = gradients.map((tensor, index): Wanted => ({
    tensor,
    vector: "gradients",
    offset: parameters.entries[index]!.offset,
  }));
  const wanted = [...wantedGradients, ...others];
  const { program, plan, readyAt } = assemble(fuse(extended, tensorsOf(wanted)), wanted, {
    gradients: parameters.length,
    ...resultSizes(results),
  });
  return {
    program,
    plan,
    parameters,
    statistics: layoutOf(graph.statistics),
    gradientReadyAt: readyAt.slice(0, gradients.length),
  };
}

/** Only what `results` need: labels, losses and gradients that none of them asks for are left out. */
export function buildInferenceProgram(
  graph: Graph,
  results: Readonly<Record<string, Tensor>>,
): InferenceProgram {
  const wanted = wantedResults(results);
  const { program, plan } = assemble(fuse(graph, tensorsOf(wanted)), wanted, resultSizes(results));
  return { program, plan, parameters: layoutOf(graph.parameters), statistics: layoutOf(graph.statistics) };
}

/** Of one run, by the ops' definitions. */
export function flopsOf({ instructions, values }: Program): number {
  const typesOf = (ids: readonly number[]) => ids.map((id) => values[id]!.type);
  return instructions.reduce((sum, { op, inputs, params }) => sum + op.flops(typesOf(inputs), params), 0);
}
