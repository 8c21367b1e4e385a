// The kernels whose every element follows one formula: sums, activations and their gradients, gradients of the
// element-wise losses, constants.

import type { AnyOp } from "../../op.ts";
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
} from "../../ops/elementwise.ts";
import { fill, type FillParams } from "../../ops/fill.ts";
import {
  hingeGrad,
  meanSquaredErrorGrad,
  sigmoidCrossEntropyGrad,
  squaredHingeGrad,
} from "../../ops/losses.ts";
import { elementwiseKernel, type FormulaContext, type Lanes } from "./elementwise.ts";
import type { FunctionBuilder, Local } from "../../../wasm/emitter.ts";
import { f32x4, v128, type Body, type V128 } from "../../../wasm/instructions.ts";
import type { WasmKernel } from "../kernel.ts";
import { margin, signOf } from "../losses/losses.ts";
import type { VectorMath } from "../../../wasm/vector-math.ts";

/** A formula that is one expression of its inputs. */
function expression(
  op: AnyOp,
  elementInputs: number,
  of: (math: VectorMath, inputs: readonly Local<"v128">[]) => V128,
): WasmKernel {
  return elementwiseKernel({
    op,
    elementInputs,
    formula: ({ math }) => ({ lanes: (inputs) => ({ body: [], outputs: [of(math, inputs)] }) }),
  });
}

/** `expression` of ops whose params make a difference: `variant` names it. */
function expressionOf<P extends object>(
  op: AnyOp,
  elementInputs: number,
  variant: (params: P) => string,
  of: (params: P, math: VectorMath, inputs: readonly Local<"v128">[]) => V128,
): WasmKernel {
  return elementwiseKernel<P>({
    op,
    elementInputs,
    variant,
    formula: ({ math, call }) => ({
      lanes: (inputs) => ({ body: [], outputs: [of(call.params, math, inputs)] }),
    }),
  });
}

/** (x, dy?) -> a formula with statements of its own. */
function composed(
  op: AnyOp,
  elementInputs: number,
  of: (math: VectorMath, inputs: readonly Local<"v128">[], locals: FunctionBuilder) => Lanes,
): WasmKernel {
  return elementwiseKernel({
    op,
    elementInputs,
    formula: ({ math, locals }) => ({ lanes: (inputs) => of(math, inputs, locals) }),
  });
}

/** y = the function of x that `math` offers by this name. */
function transcendental(op: AnyOp, name: "tanh" | "sigmoid"): WasmKernel {
  return elementwiseKernel({
    op,
    elementInputs: 1,
    formula: ({ math, locals }) => ({
      lanes([x]) {
        const y = locals.local("v128");
        return { body: math[name](y, x!), outputs: [y] };
      },
    }),
  });
}

/** (prediction, target, dLoss[1]) -> a formula times dLoss */
function lossGradient(
  op: AnyOp,
  of: (context: FormulaContext<object>, inputs: readonly Local<"v128">[], result: Local<"v128">) => Body,
): WasmKernel {
  return elementwiseKernel({
    op,
    elementInputs: 2,
    formula(context) {
      const dLoss = context.locals.local("v128");
      return {
        setup: dLoss.set(v128.load32Splat(context.uniforms[0]!)),
        lanes(inputs) {
          const result = context.locals.local("v128");
          return { body: of(context, inputs, result), outputs: [f32x4.mul(result, dLoss)] };
        },
      };
    },
  });
}

/** sign > 0 ? value : alpha value */
function scaledBelowZero(math: VectorMath, sign: V128, value: V128, alpha: number): V128 {
  const scaled = f32x4.mul(value, math.constant(alpha));
  return v128.bitselect(value, scaled, f32x4.gt(sign, math.constant(0)));
}

export const formulaKernels: readonly WasmKernel[] = [
  expressionOf<AddParams>(
    add,
    2,
    ({ activation = "none" }) => activation,
    ({ activation }, math, [a, b]) => {
      const sum = f32x4.add(a!, b!);
      return activation === "relu" ? f32x4.pmax(sum, math.constant(0)) : sum;
    },
  ),
  expression(multiply, 2, (_, [a, b]) => f32x4.mul(a!, b!)),
  expression(relu, 1, (math, [x]) => f32x4.pmax(x!, math.constant(0))),
  expression(reluGrad, 2, (math, [y, dy]) => v128.and(dy!, f32x4.gt(y!, math.constant(0)))),
  transcendental(tanh, "tanh"),
  expression(relu6, 1, (math, [x]) => f32x4.pmin(f32x4.pmax(x!, math.constant(0)), math.constant(6))),
  expression(relu6Grad, 2, (math, [y, dy]) =>
    v128.and(v128.and(dy!, f32x4.gt(y!, math.constant(0))), f32x4.lt(y!, math.constant(6))),
  ),
  expressionOf<LeakyReluParams>(
    leakyRelu,
    1,
    ({ alpha }) => String(alpha),
    ({ alpha }, math, [x]) => scaledBelowZero(math, x!, x!, alpha),
  ),
  expressionOf<LeakyReluParams>(
    leakyReluGrad,
    2,
    ({ alpha }) => String(alpha),
    ({ alpha }, math, [y, dy]) => scaledBelowZero(math, y!, dy!, alpha),
  ),
  composed(silu, 1, (math, [x], locals) => {
    const s = locals.local("v128");
    return { body: math.sigmoid(s, x!), outputs: [f32x4.mul(x!, s)] };
  }),
  composed(siluGrad, 2, (math, [x, dy], locals) => {
    const s = locals.local("v128");
    const one = math.constant(1);
    const slope = f32x4.add(one, f32x4.mul(x!, f32x4.sub(one, s)));
    return { body: math.sigmoid(s, x!), outputs: [f32x4.mul(dy!, f32x4.mul(s, slope))] };
  }),
  composed(gelu, 1, (math, [x], locals) => {
    const { share, density } = locals.named("v128", ["share", "density"]);
    return { body: math.normal(share, density, x!), outputs: [f32x4.mul(x!, share)] };
  }),
  composed(geluGrad, 2, (math, [x, dy], locals) => {
    const { share, density } = locals.named("v128", ["share", "density"]);
    const slope = f32x4.add(share, f32x4.mul(x!, density));
    return { body: math.normal(share, density, x!), outputs: [f32x4.mul(dy!, slope)] };
  }),
  expression(tanhGrad, 2, (math, [y, dy]) => f32x4.mul(dy!, f32x4.sub(math.constant(1), f32x4.mul(y!, y!)))),
  transcendental(sigmoid, "sigmoid"),
  expression(sigmoidGrad, 2, (math, [y, dy]) =>
    f32x4.mul(f32x4.mul(dy!, y!), f32x4.sub(math.constant(1), y!)),
  ),
  lossGradient(sigmoidCrossEntropyGrad, ({ math }, [logit, target], result) => [
    math.sigmoid(result, logit!),
    result.set(f32x4.sub(result, target!)),
  ]),
  lossGradient(meanSquaredErrorGrad, ({ math, call }, [prediction, target], result) =>
    result.set(f32x4.mul(math.constant(2 / call.outputs[0]!.shape[1]!), f32x4.sub(prediction!, target!))),
  ),
  lossGradient(hingeGrad, ({ math, locals }, [score, target], result) => {
    const sign = locals.local("v128");
    return [
      sign.set(signOf(math, target!)),
      result.set(f32x4.gt(margin(math, score!, sign), math.constant(0))),
      result.set(f32x4.neg(v128.and(sign, result))),
    ];
  }),
  lossGradient(squaredHingeGrad, ({ math, locals }, [score, target], result) => {
    const sign = locals.local("v128");
    return [
      sign.set(signOf(math, target!)),
      result.set(f32x4.mul(sign, margin(math, score!, sign))),
      result.set(f32x4.neg(f32x4.add(result, result))),
    ];
  }),
  elementwiseKernel<MovingAverageParams>({
    op: movingAverage,
    elementInputs: 2,
    variant: ({ momentum }) => String(momentum),
    formula: ({ math, call: { params } }) => ({
      lanes([before, now]) {
        const kept = f32x4.mul(math.constant(params.momentum), before!);
        const gained = f32x4.mul(math.constant(1 - params.momentum), now!);
        return { body: [], outputs: [f32x4.add(kept, gained)] };
      },
    }),
  }),
  elementwiseKernel<FillParams>({
    op: fill,
    elementInputs: 0,
    variant: ({ value }) => (Object.is(value, -0) ? "-0" : String(value)),
    formula: ({ math, call }) => ({
      lanes: () => ({ body: [], outputs: [math.constant(call.params.value)] }),
    }),
  }),
];
