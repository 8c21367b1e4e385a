// The kernels whose every element follows one formula: sums, activations and their gradients, gradients of the
// element-wise losses, constants. Where a bound is to let NaNs through it is a `select`, for `max` may drop them.

import type { Op } from "../../op.ts";
import { movingAverage, type MovingAverageParams } from "../../ops/batch-norm.ts";
import {
  add,
  gelu,
  geluGrad,
  leakyRelu,
  leakyReluGrad,
  multiply,
  relu,
  relu6,
  relu6Grad,
  reluGrad,
  sigmoid,
  sigmoidGrad,
  silu,
  siluGrad,
  tanh,
  tanhGrad,
  type AddParams,
  type LeakyReluParams,
  type NoParams,
} from "../../ops/elementwise.ts";
import { fill, type FillParams } from "../../ops/fill.ts";
import {
  hingeGrad,
  meanSquaredErrorGrad,
  sigmoidCrossEntropyGrad,
  squaredHingeGrad,
} from "../../ops/losses.ts";
import { float } from "../emit/elements.ts";
import type { MathFunction } from "../emit/math.ts";
import type { WebGpuKernel } from "../kernel.ts";
import { elementwiseKernel } from "./elementwise.ts";

/** One expression of the inputs. */
function expression<P extends object>(
  op: Op<P>,
  inputs: readonly string[],
  formula: (params: P) => string,
  math: readonly MathFunction[] = [],
): WebGpuKernel {
  return elementwiseKernel({
    ...{ op, inputs, math },
    formula: ({ params }) => ({ outputs: [formula(params)] }),
  });
}

/** (prediction, truth, dLoss[1]) -> an expression times dLoss; `margin` is 1 - sign prediction. */
function lossGradient(
  op: Op<NoParams>,
  formula: (columns: number) => string,
  math: readonly MathFunction[] = [],
): WebGpuKernel {
  return elementwiseKernel({
    ...{ op, inputs: ["prediction", "truth"], uniforms: ["dLoss"], math },
    formula: ({ outputs }) => ({
      body: "let sign = 2.0 * truth - 1.0; let margin = 1.0 - sign * prediction;",
      outputs: [`$dLoss[0] * (${formula(outputs[0]!.shape[1]!)})`],
    }),
  });
}

const atLeastZero = (x: string): string => `select(${x}, vec4f(), ${x} < vec4f())`;

export const formulaKernels: readonly WebGpuKernel[] = [
  elementwiseKernel<AddParams>({
    ...{ op: add, inputs: ["a", "b"] },
    formula: ({ params: { activation } }) => ({
      body: "let sum = a + b;",
      outputs: [activation === "relu" ? atLeastZero("sum") : "sum"],
    }),
  }),
  expression(multiply, ["a", "b"], () => "a * b"),
  expression(relu, ["x"], () => atLeastZero("x")),
  expression(reluGrad, ["y", "dy"], () => "select(vec4f(), dy, y > vec4f())"),
  expression(relu6, ["x"], () => `select(${atLeastZero("x")}, vec4f(6.0), x > vec4f(6.0))`),
  expression(relu6Grad, ["y", "dy"], () => "select(vec4f(), dy, (y > vec4f()) & (y < vec4f(6.0)))"),
  expression<LeakyReluParams>(leakyRelu, ["x"], ({ alpha }) => `select(${float(alpha)} * x, x, x > vec4f())`),
  expression<LeakyReluParams>(
    leakyReluGrad,
    ["y", "dy"],
    ({ alpha }) => `select(${float(alpha)} * dy, dy, y > vec4f())`,
  ),
  expression(tanh, ["x"], () => "tanh_of(x)", ["tanh"]),
  expression(tanhGrad, ["y", "dy"], () => "dy * (1.0 - y * y)"),
  expression(sigmoid, ["x"], () => "sigmoid_of(x)", ["sigmoid"]),
  expression(sigmoidGrad, ["y", "dy"], () => "dy * y * (1.0 - y)"),
  expression(silu, ["x"], () => "x * sigmoid_of(x)", ["sigmoid"]),
  elementwiseKernel({
    ...{ op: siluGrad, inputs: ["x", "dy"], math: ["sigmoid"] },
    formula: () => ({ body: "let s = sigmoid_of(x);", outputs: ["dy * (s * (1.0 + x * (1.0 - s)))"] }),
  }),
  expression(gelu, ["x"], () => "x * normal_of(x, density_of(x))", ["normal"]),
  elementwiseKernel({
    ...{ op: geluGrad, inputs: ["x", "dy"], math: ["normal"] },
    formula: () => ({
      body: "let density = density_of(x);",
      outputs: ["dy * (normal_of(x, density) + x * density)"],
    }),
  }),
  lossGradient(sigmoidCrossEntropyGrad, () => "sigmoid_of(prediction) - truth", ["sigmoid"]),
  lossGradient(meanSquaredErrorGrad, (columns) => `${float(2 / columns)} * (prediction - truth)`),
  lossGradient(hingeGrad, () => "select(vec4f(), -sign, margin > vec4f())"),
  lossGradient(squaredHingeGrad, () => `-2.0 * sign * ${atLeastZero("margin")}`),
  expression<MovingAverageParams>(
    movingAverage,
    ["before", "now"],
    ({ momentum }) => `${float(momentum)} * before + ${float(1 - momentum)} * now`,
  ),
  expression<FillParams>(fill, [], ({ value }) => `vec4f(${float(value)})`),
];
