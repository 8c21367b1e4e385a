// The kernels whose every element follows one formula. Four elements at a time: what is read beyond the end is slack.

import type { KernelCall } from "../../kernel.ts";
import type { Op } from "../../op.ts";
import { add, multiply, relu, reluGrad, type AddParams } from "../../ops/elementwise.ts";
import { elementCount } from "../../tensor.ts";
import { flatPass, storeVec4 } from "../emit/flat.ts";
import type { Binding, WebGpuKernel } from "../kernel.ts";

/** A kernel of one output; `formula` is an expression over vec4f, by the names of the inputs. */
function formulaKernel<P extends object>(
  op: Op<P>,
  inputs: readonly string[],
  formula: (params: P) => string,
): WebGpuKernel {
  return {
    name: `f32-${op.name}-webgpu`,
    op,
    accepts: () => true,
    build: (call: KernelCall) => {
      const elements = elementCount(call.outputs[0]!);
      const operands = inputs.map((name, input): [string, Binding] => [
        name,
        { of: { input }, type: "vec4f" },
      ]);
      return {
        passes: [
          flatPass({
            count: Math.ceil(elements / 4),
            bindings: { ...Object.fromEntries(operands), result: { of: { output: 0 }, type: "vec4f" } },
            body: `${inputs.map((name) => `let ${name} = $${name}[i];`).join(" ")}
  ${storeVec4("result", formula(call.params as P), elements)}`,
          }),
        ],
      };
    },
  };
}

export const formulaKernels: readonly WebGpuKernel[] = [
  formulaKernel<AddParams>(add, ["a", "b"], ({ activation }) =>
    activation === "relu" ? "max(a + b, vec4f())" : "a + b",
  ),
  formulaKernel(multiply, ["a", "b"], () => "a * b"),
  formulaKernel(relu, ["x"], () => "max(x, vec4f())"),
  formulaKernel(reluGrad, ["y", "dy"], () => "select(vec4f(), dy, y > vec4f())"),
];
