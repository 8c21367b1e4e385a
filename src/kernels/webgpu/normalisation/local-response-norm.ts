// Local response normalisation: an invocation to each element, which reads its neighbours along the channels. The gradient
// needs a sum of its own of every neighbour: a first pass leaves what each element gives to its neighbours' gradients.

import type { KernelCall } from "../../kernel.ts";
import { columnsOf } from "../../ops/concat.ts";
import {
  localResponseNorm,
  localResponseNormGrad,
  type LocalResponseNormParams,
} from "../../ops/local-response-norm.ts";
import { elementCount } from "../../tensor.ts";
import { flatPass } from "../emit/flat.ts";
import type { WebGpuKernel } from "../kernel.ts";

/** Expression: s^-beta; roots where they do, which are more exact than powers. */
function scaleOf(beta: number): string {
  switch (beta) {
    case 0:
      return "1.0";
    case 0.5:
      return "inverseSqrt(s)";
    case 0.75:
      return "inverseSqrt(s) * sqrt(inverseSqrt(s))";
    case 1:
      return "1 / s";
    default:
      return `pow(s, ${-beta})`;
  }
}

/** Statements: `first` and `last` of the elements that count for `i`. */
function neighbours({ depthRadius }: LocalResponseNormParams, channels: number): string {
  return `let c = i % ${channels}u;
  let first = i - min(c, ${depthRadius}u);
  let last = i + min(${channels - 1}u - c, ${depthRadius}u);`;
}

/** Statements: `s`, and `scale` = s^-beta. */
function scale({ alpha, beta, bias }: LocalResponseNormParams): string {
  return `var squares = 0.0;
  for (var j = first; j <= last; j++) { squares += $x[j] * $x[j]; }
  let s = ${bias} + ${alpha} * squares;
  let scale = ${scaleOf(beta)};`;
}

export const localResponseNormKernel: WebGpuKernel = {
  name: "f32-local-response-norm-webgpu",
  op: localResponseNorm,
  accepts: () => true,
  build({ inputs, params: anyParams }: KernelCall) {
    const params = anyParams as LocalResponseNormParams;
    const [x] = inputs;
    const pass = flatPass({
      count: elementCount(x!),
      bindings: { x: { of: { input: 0 }, type: "f32" }, y: { of: { output: 0 }, type: "f32" } },
      body: `${neighbours(params, columnsOf(x!))}
  ${scale(params)}
  $y[i] = $x[i] * scale;`,
    });
    return { passes: [pass] };
  },
};

export const localResponseNormGradKernel: WebGpuKernel = {
  name: "f32-local-response-norm-grad-webgpu",
  op: localResponseNormGrad,
  accepts: () => true,
  build({ inputs, params: anyParams }: KernelCall) {
    const params = anyParams as LocalResponseNormParams;
    const [x] = inputs;
    const count = elementCount(x!);
    const operands = { x: { of: { input: 0 }, type: "f32" }, dy: { of: { input: 1 }, type: "f32" } } as const;
    const statements = `${neighbours(params, columnsOf(x!))}
  ${scale(params)}`;
    return {
      passes: [
        flatPass({
          count,
          bindings: { ...operands, given: { of: { scratch: "given", write: true }, type: "f32" } },
          body: `${statements}
  $given[i] = $dy[i] * $x[i] * (scale / s);`,
        }),
        flatPass({
          count,
          bindings: {
            ...operands,
            given: { of: { scratch: "given" }, type: "f32" },
            dx: { of: { output: 0 }, type: "f32" },
          },
          body: `${statements}
  var through = 0.0;
  for (var j = first; j <= last; j++) { through += $given[j]; }
  $dx[i] = $dy[i] * scale - ${2 * params.alpha * params.beta} * $x[i] * through;`,
        }),
      ],
      scratch: { given: count },
    };
  },
};
