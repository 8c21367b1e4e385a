// Element-wise ops: sums, products and activations. A gradient is taken from the activation's output where that tells
// enough: then its input need not be kept.

import { SltrainError } from "../../errors.ts";
import type { Op, Tensor, Vjp, VjpContext } from "../op.ts";
import { elementCount } from "../tensor.ts";
import { bindShapes } from "./shapes.ts";

export type NoParams = Readonly<Record<string, never>>;

/** What `dense`, `conv2d` and others apply to their result before they store it. */
export type Activation = "none" | "relu";

export interface AddParams {
  /** "none" if left out. */
  readonly activation?: Activation;
}

export interface LeakyReluParams {
  /** Slope below 0, at least 0. */
  readonly alpha: number;
}

/** (x, ...) -> y, all of one shape; any operand's memory may become the result's. */
function elementwise<P extends object = NoParams>(
  name: string,
  operands: readonly string[],
  flopsPerElement: number,
  vjp: Op<P>["vjp"],
): Op<P> {
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
function fromOutput<P extends object = NoParams>(grad: () => Op<P>): Vjp<P> {
  return ({ outputs, outputGrads, params, add: addNode }) =>
    addNode(grad(), [outputs[0]!, outputGrads[0]!], params);
}

/** The gradient of an activation whose `grad` op takes (x, dy). */
function fromInput(grad: () => Op<NoParams>): Vjp<NoParams> {
  return ({ inputs, outputGrads, add: addNode }) => addNode(grad(), [inputs[0]!, outputGrads[0]!], {});
}

/** (a, b) -> activation(a + b) */
export const add = elementwise<AddParams>("add", ["a", "b"], 1, (context) => {
  const { activation = "none" } = context.params;
  const g = beforeActivation({ ...context, params: { activation } });
  return [g, g];
});

/** (a, b) -> a b */
export const multiply: Op<NoParams> = elementwise(
  "multiply",
  ["a", "b"],
  1,
  ({ inputs, outputGrads, needs, add: addNode }) => {
    const times = (other: number) => addNode(multiply, [outputGrads[0]!, inputs[other]!], {})[0];
    return [needs(0) ? times(1) : undefined, needs(1) ? times(0) : undefined];
  },
);

/** x -> max(x, 0) */
export const relu = elementwise(
  "relu",
  ["x"],
  1,
  fromOutput(() => reluGrad),
);
/** x -> min(max(x, 0), 6) */
export const relu6 = elementwise(
  "relu6",
  ["x"],
  2,
  fromOutput(() => relu6Grad),
);
/** x -> x > 0 ? x : alpha x */
export const leakyRelu: Op<LeakyReluParams> = withSlope(
  elementwise<LeakyReluParams>(
    "leaky-relu",
    ["x"],
    2,
    fromOutput(() => leakyReluGrad),
  ),
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
/** x -> x / (1 + exp(-x)), also called swish */
export const silu = elementwise(
  "silu",
  ["x"],
  4,
  fromInput(() => siluGrad),
);
/** x -> x Phi(x), Phi the normal distribution (D. Hendrycks, K. Gimpel, "Gaussian error linear units", 2016); not its tanh form */
export const gelu = elementwise(
  "gelu",
  ["x"],
  12,
  fromInput(() => geluGrad),
);

/** (y, dy) -> dx = y > 0 ? dy : 0 */
export const reluGrad = elementwise("relu-grad", ["y", "dy"], 1, "not-differentiable");
/** (y, dy) -> dx = 0 < y < 6 ? dy : 0 */
export const relu6Grad = elementwise("relu6-grad", ["y", "dy"], 2, "not-differentiable");
/** (y, dy) -> dx = y > 0 ? dy : alpha dy */
export const leakyReluGrad: Op<LeakyReluParams> = withSlope(
  elementwise<LeakyReluParams>("leaky-relu-grad", ["y", "dy"], 2, "not-differentiable"),
);
/** (y, dy) -> dx = dy (1 - y^2) */
export const tanhGrad = elementwise("tanh-grad", ["y", "dy"], 3, "not-differentiable");
/** (y, dy) -> dx = dy y (1 - y) */
export const sigmoidGrad = elementwise("sigmoid-grad", ["y", "dy"], 3, "not-differentiable");
/** (x, dy) -> dx = dy s (1 + x (1 - s)), s = sigmoid(x) */
export const siluGrad = elementwise("silu-grad", ["x", "dy"], 7, "not-differentiable");
/** (x, dy) -> dx = dy (Phi(x) + x phi(x)), phi the normal density */
export const geluGrad = elementwise("gelu-grad", ["x", "dy"], 15, "not-differentiable");

/** Refuses slopes that are negative: the output's sign would no longer tell the input's. */
function withSlope(op: Op<LeakyReluParams>): Op<LeakyReluParams> {
  return {
    ...op,
    infer(inputs, params) {
      if (!(params.alpha >= 0))
        throw new SltrainError({
          code: "bad-params",
          message: `${op.name}: alpha = ${params.alpha} but expected alpha >= 0`,
        });
      return op.infer(inputs, params);
    },
  };
}

/** dy of a fused op, taken back through its activation to the value before it. */
export function beforeActivation(context: VjpContext<{ readonly activation: Activation }>): Tensor {
  const dy = context.outputGrads[0]!;
  return context.params.activation === "none" ? dy : context.add(reluGrad, [context.outputs[0]!, dy], {})[0]!;
}
