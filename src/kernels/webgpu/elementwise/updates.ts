// Kernels of the optimisers' updates. The settings are read from memory, for a schedule changes them from step to step.

import type { Op } from "../../op.ts";
import {
  adagradUpdate,
  adamUpdate,
  larsUpdate,
  momentumUpdate,
  sgdUpdate,
  type AdamUpdateParams,
  type MomentumUpdateParams,
} from "../../ops/updates.ts";
import type { KernelCall } from "../../kernel.ts";
import type { WebGpuKernel } from "../kernel.ts";
import { elementwiseKernel, type Formula } from "./elementwise.ts";

/** Index into the vector `hyper`. */
const HYPER = {
  rate: 0,
  momentum: 1,
  beta1: 1,
  beta2: 2,
  epsilon: 3,
  decay: 4,
  correction1: 5,
  correction2: 6,
  trust: 7,
} as const;

/** (p, g, ...state, hyper, ...scalars) -> p', ...state' */
function update<P extends object>(
  op: Op<P>,
  state: readonly string[],
  hyper: readonly (keyof typeof HYPER)[],
  formula: (call: KernelCall<P>) => Formula,
): WebGpuKernel {
  return elementwiseKernel<P>({
    op,
    inputs: ["p", "g", ...state],
    uniforms: ["hyper", "parameterSquares", "gradientSquares"],
    formula(call) {
      const { body = "", outputs } = formula(call);
      const settings = hyper.map((name) => `let ${name} = $hyper[${HYPER[name]}];`);
      return { body: `${settings.join(" ")}\n  ${body}`, outputs };
    },
  });
}

export const updateKernels: readonly WebGpuKernel[] = [
  update(sgdUpdate, [], ["rate", "decay"], () => ({ outputs: ["p - rate * (g + decay * p)"] })),
  update<MomentumUpdateParams>(
    momentumUpdate,
    ["m"],
    ["rate", "momentum", "decay"],
    ({ params: { nesterov } }) => ({
      body: "let slope = g + decay * p; let velocity = momentum * m + slope;",
      outputs: [`p - rate * ${nesterov ? "(slope + momentum * velocity)" : "velocity"}`, "velocity"],
    }),
  ),
  update<AdamUpdateParams>(
    adamUpdate,
    ["m", "v"],
    ["rate", "beta1", "beta2", "epsilon", "decay", "correction1", "correction2"],
    ({ params: { decoupled } }) => ({
      body: `let slope = ${decoupled ? "g" : "g + decay * p"};
  let before = ${decoupled ? "p - rate * decay * p" : "p"};
  let first = beta1 * m + (1.0 - beta1) * slope;
  let second = beta2 * v + (1.0 - beta2) * (slope * slope);`,
      outputs: [
        "before - (rate / correction1) * (first / (sqrt(second / correction2) + epsilon))",
        "first",
        "second",
      ],
    }),
  ),
  update(adagradUpdate, ["s"], ["rate", "epsilon", "decay"], () => ({
    body: "let slope = g + decay * p; let squares = s + slope * slope;",
    outputs: ["p - rate * (slope / (sqrt(squares) + epsilon))", "squares"],
  })),
  update(larsUpdate, ["m"], ["rate", "momentum", "decay", "trust"], ({ inputs }) => ({
    body: inputs.length > 4 ? ADAPTED : "let velocity = momentum * m + rate * g;",
    outputs: ["p - velocity", "velocity"],
  })),
];

/** With the norms given: the trust ratio, where neither of them is 0. */
const ADAPTED = `let parameter_norm = sqrt($parameterSquares[0]);
  let gradient_norm = sqrt($gradientSquares[0]);
  var ratio = 1.0;
  if (parameter_norm > 0.0 && gradient_norm > 0.0) {
    ratio = trust * parameter_norm / (gradient_norm + decay * parameter_norm);
  }
  let velocity = momentum * m + rate * ratio * (g + decay * p);`;
