// Kernels of the optimisers' updates. They round like the formula as it is written, with no fused multiply-add: ranks
// on different machines that apply equal gradients keep equal bits.

import {
  adagradUpdate,
  adamUpdate,
  larsUpdate,
  momentumUpdate,
  sgdUpdate,
  type AdamUpdateParams,
  type MomentumUpdateParams,
} from "../../ops/updates.ts";
import { elementwiseKernel, type FormulaContext } from "./elementwise.ts";
import type { Local } from "../../../wasm/emitter.ts";
import { f32, f32x4, v128, type Body, type V128 } from "../../../wasm/instructions.ts";
import type { WasmKernel } from "../kernel.ts";
import { FLOAT_BYTES } from "../../../wasm/lanes.ts";

/** Index into the vector `hyper`. */
const HYPER = {
  learningRate: 0,
  momentum: 1,
  beta1: 1,
  beta2: 2,
  epsilon: 3,
  weightDecay: 4,
  biasCorrection1: 5,
  biasCorrection2: 6,
  trustCoefficient: 7,
} as const;

type HyperName = keyof typeof HYPER;

/** Loads entries of `hyper` (input `hyper` is the last one), each four times. */
function loadHyper<const N extends readonly HyperName[]>(
  { locals, uniforms }: FormulaContext<object>,
  names: N,
): { readonly hyper: Readonly<Record<N[number], Local<"v128">>>; readonly load: Body } {
  const hyper = locals.named("v128", names);
  const load = names.map((name: N[number]) =>
    hyper[name].set(v128.load32Splat(uniforms[0]!, HYPER[name] * FLOAT_BYTES)),
  );
  return { hyper, load };
}

const { add, sub, mul, div } = f32x4;

/** g + weightDecay p */
function decayed(g: V128, p: V128, weightDecay: V128): V128 {
  return add(g, mul(weightDecay, p));
}

const sgd = elementwiseKernel({
  op: sgdUpdate,
  elementInputs: 2,
  formula(context) {
    const { hyper, load } = loadHyper(context, ["learningRate", "weightDecay"]);
    return {
      setup: load,
      lanes: ([p, g]) => ({
        body: [],
        outputs: [sub(p!, mul(hyper.learningRate, decayed(g!, p!, hyper.weightDecay)))],
      }),
    };
  },
});

const momentum = elementwiseKernel<MomentumUpdateParams>({
  op: momentumUpdate,
  elementInputs: 3,
  variant: ({ nesterov }) => (nesterov ? "nesterov" : "heavy-ball"),
  formula(context) {
    const { hyper, load } = loadHyper(context, ["learningRate", "momentum", "weightDecay"]);
    const { nesterov } = context.call.params;
    return {
      setup: load,
      lanes([p, g, m]) {
        const { direction, velocity } = context.locals.named("v128", ["direction", "velocity"]);
        const step = nesterov ? add(direction, mul(hyper.momentum, velocity)) : velocity;
        return {
          body: [
            direction.set(decayed(g!, p!, hyper.weightDecay)),
            velocity.set(add(mul(hyper.momentum, m!), direction)),
          ],
          outputs: [sub(p!, mul(hyper.learningRate, step)), velocity],
        };
      },
    };
  },
});

const adam = elementwiseKernel<AdamUpdateParams>({
  op: adamUpdate,
  elementInputs: 4,
  variant: ({ decoupled }) => (decoupled ? "decoupled" : "coupled"),
  formula(context) {
    const { decoupled } = context.call.params;
    const { hyper, load } = loadHyper(context, [
      "learningRate",
      "beta1",
      "beta2",
      "epsilon",
      "weightDecay",
      "biasCorrection1",
      "biasCorrection2",
    ]);
    const { one, gain1, gain2, rate, root } = context.locals.named("v128", [
      "one",
      "gain1",
      "gain2",
      "rate",
      "root",
    ]);
    return {
      setup: [
        load,
        one.set(f32x4.splat(f32.const(1))),
        gain1.set(sub(one, hyper.beta1)),
        gain2.set(sub(one, hyper.beta2)),
        // As PyTorch folds the corrections: lr m' / bias1 / (sqrt(v') / sqrt(bias2) + epsilon).
        rate.set(div(hyper.learningRate, hyper.biasCorrection1)),
        root.set(f32x4.sqrt(hyper.biasCorrection2)),
      ],
      lanes([p, g, m, v]) {
        const { direction, first, second } = context.locals.named("v128", ["direction", "first", "second"]);
        const denominator = add(div(f32x4.sqrt(second), root), hyper.epsilon);
        const before = decoupled ? sub(p!, mul(mul(hyper.learningRate, hyper.weightDecay), p!)) : p!;
        return {
          body: [
            direction.set(decoupled ? g! : decayed(g!, p!, hyper.weightDecay)),
            first.set(add(mul(hyper.beta1, m!), mul(gain1, direction))),
            second.set(add(mul(hyper.beta2, v!), mul(gain2, mul(direction, direction)))),
          ],
          outputs: [sub(before, mul(rate, div(first, denominator))), first, second],
        };
      },
    };
  },
});

const adagrad = elementwiseKernel({
  op: adagradUpdate,
  elementInputs: 3,
  formula(context) {
    const { hyper, load } = loadHyper(context, ["learningRate", "epsilon", "weightDecay"]);
    return {
      setup: load,
      lanes([p, g, s]) {
        const { direction, squares } = context.locals.named("v128", ["direction", "squares"]);
        const step = div(direction, add(f32x4.sqrt(squares), hyper.epsilon));
        return {
          body: [
            direction.set(decayed(g!, p!, hyper.weightDecay)),
            squares.set(add(s!, mul(direction, direction))),
          ],
          outputs: [sub(p!, mul(hyper.learningRate, step)), squares],
        };
      },
    };
  },
});

const lars = elementwiseKernel({
  op: larsUpdate,
  elementInputs: 3,
  formula(context) {
    const { hyper, load } = loadHyper(context, [
      "learningRate",
      "momentum",
      "weightDecay",
      "trustCoefficient",
    ]);
    const { rate, parameterNorm, gradientNorm } = context.locals.named("v128", [
      "rate",
      "parameterNorm",
      "gradientNorm",
    ]);
    const [, parameterSquares, gradientSquares] = context.uniforms;
    const adapts = parameterSquares !== undefined && gradientSquares !== undefined;
    const ratio = div(
      mul(hyper.trustCoefficient, parameterNorm),
      add(gradientNorm, mul(hyper.weightDecay, parameterNorm)),
    );
    const bothPositive = v128.and(f32x4.gt(parameterNorm, v128.zero), f32x4.gt(gradientNorm, v128.zero));
    return {
      setup: [
        load,
        rate.set(hyper.learningRate),
        adapts
          ? [
              parameterNorm.set(f32x4.sqrt(v128.load32Splat(parameterSquares))),
              gradientNorm.set(f32x4.sqrt(v128.load32Splat(gradientSquares))),
              rate.set(v128.bitselect(mul(rate, ratio), rate, bothPositive)),
            ]
          : [],
      ],
      lanes([p, g, m]) {
        const velocity = context.locals.local("v128");
        const direction = adapts ? decayed(g!, p!, hyper.weightDecay) : g!;
        return {
          body: velocity.set(add(mul(hyper.momentum, m!), mul(rate, direction))),
          outputs: [sub(p!, velocity), velocity],
        };
      },
    };
  },
});

export const updateKernels: readonly WasmKernel[] = [sgd, momentum, adam, adagrad, lars];
