// One step of plain SGD as a single program: forward, backward, and the update straight after, each parameter where it
// lies. The gradient of a product with sparse rows is never made: what a batch has of non-zeros goes into the weights one
// by one, so that a step costs what the batch has, however many features there are.

import type { Plan, Program } from "../device/device.ts";
import type { Tensor } from "../kernels/op.ts";
import { reshape } from "../kernels/ops/reshape.ts";
import { sparseDenseGrad, sparseSgdUpdate } from "../kernels/ops/sparse-dense.ts";
import { HYPER_ELEMENTS, sgdUpdate } from "../kernels/ops/updates.ts";
import { alignElements, elementCount, f32 } from "../kernels/tensor.ts";
import { assemble, type Wanted } from "./assemble.ts";
import { differentiate } from "./differentiate.ts";
import { fuse } from "./fuse.ts";
import { GraphBuilder, type Graph } from "./graph.ts";

/**
 * p' = p - rate dp for every parameter, dp being the gradient of `objective`. The rate, f32[1] in "input.rate", is the
 * learning rate over the samples where the objective is a sum; "input.sgd" f32[8] is an update's hyper vector of that rate
 * and nothing else. Throws as `differentiate` does.
 */
export function buildLocalStepProgram(
  graph: Graph,
  objective: Tensor,
  results: Readonly<Record<string, Tensor>>,
): { readonly program: Program; readonly plan: Plan } {
  const { graph: extended, gradients } = differentiate(graph, objective);
  const builder = new GraphBuilder(extended);
  const rate = builder.input("rate", f32(1));
  const hyper = builder.input("sgd", f32(HYPER_ELEMENTS));
  const flat = (tensor: Tensor): Tensor =>
    builder.apply(reshape, [tensor], { shape: [elementCount(tensor.type)] });
  const updated = graph.parameters.map(({ tensor, offset }, index): Wanted => {
    const gradient = gradients[index]!;
    const producer = extended.nodes.find(({ outputs }) => outputs[0]!.id === gradient.id);
    const next =
      producer?.op === sparseDenseGrad
        ? builder.apply(sparseSgdUpdate, [tensor, ...producer.inputs, rate], {})
        : builder.apply(sgdUpdate, [flat(tensor), flat(gradient), hyper], {});
    return { tensor: next, vector: "parameters", offset };
  });
  const wanted = [
    ...Object.entries(results).map(([name, tensor]): Wanted => ({
      ...{ tensor, vector: `result.${name}`, offset: 0 },
    })),
    ...updated,
  ];
  const sizes = Object.entries(results).map(
    ([name, { type }]) => [`result.${name}`, alignElements(elementCount(type))] as const,
  );
  const tensors = wanted.map(({ tensor }) => tensor);
  return assemble(fuse(builder.build(), tensors), wanted, Object.fromEntries(sizes));
}
