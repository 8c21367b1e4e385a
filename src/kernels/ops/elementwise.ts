// Element-wise ops: sums and activations, with the gradients of the activations from their outputs.

import type { Op, Tensor, Vjp, VjpContext } from "../op.ts";
import { elementCount } from "../tensor.ts";
import { bindShapes } from "./shapes.ts";

export type NoParams = Readonly<Record<string, never>>;

/** What `dense` and `conv2d` apply to their result before they store it. */
export type Activation = "none" | "relu";

/** (x, ...) -> y, all of one shape; any operand's memory may become the result's. */
function elementwise(
  name: string,
  operands: readonly string[],
  flopsPerElement: number,
  vjp: Op<NoParams>["vjp"],
): Op<NoParams> {
  const signature = Object.fromEntries(operands.map((operand) => [operand, "..."]));
  return {
    name,
    infer(inputs) {
      bindShapes(name, inputs, signature);
      return [inputs[0]!];
    },
    flops: (inputs) => flopsPerElement * elementCount(inputs[0]!),
    inPlace: operands.map((_, index) => index),
    vjp,
  };
}

/** The gradient of an activation whose `grad` op takes (y, dy). */
function fromOutput(grad: () => Op<NoParams>): Vjp<NoParams> {
  return ({ outputs, outputGrads, add: addNode }) => addNode(grad(), [outputs[0]!, outputGrads[0]!], {});
}

/** (a, b) -> a + b */
export const add = elementwise("add", ["a", "b"], 1, ({ outputGrads }) => [outputGrads[0], outputGrads[0]]);

/** x -> max(x, 0) */
export const relu = elementwise(
  "relu",
  ["x"],
  1,
  fromOutput(() => reluGrad),
);
/** x -> tanh(x) */
export const tanh = elementwise(
  "tanh",
  ["x"],
  1,
  fromOutput(() => tanhGrad),
);
/** x -> 1 / (1 + exp(-x)) */
export const sigmoid = elementwise(
  "sigmoid",
  ["x"],
  3,
  fromOutput(() => sigmoidGrad),
);

/** (y, dy) -> dx = y > 0 ? dy : 0 */
export const reluGrad = elementwise("relu-grad", ["y", "dy"], 1, "not-differentiable");
/** (y, dy) -> dx = dy (1 - y^2) */
export const tanhGrad = elementwise("tanh-grad", ["y", "dy"], 3, "not-differentiable");
/** (y, dy) -> dx = dy y (1 - y) */
export const sigmoidGrad = elementwise("sigmoid-grad", ["y", "dy"], 3, "not-differentiable");

/** dy of a fused op, taken back through its activation to the value before it. */
export function beforeActivation(context: VjpContext<{ readonly activation: Activation }>): Tensor {
  const dy = context.outputGrads[0]!;
  return context.params.activation === "none" ? dy : context.add(reluGrad, [context.outputs[0]!, dy], {})[0]!;
}
