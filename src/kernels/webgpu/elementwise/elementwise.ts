// A kernel of elements by its formula: four elements at a time, each invocation one vec4. What is read beyond the end is
// slack, and is not stored.

import type { KernelCall } from "../../kernel.ts";
import type { Op } from "../../op.ts";
import { elementCount } from "../../tensor.ts";
import { flatPass, storeVec4 } from "../emit/flat.ts";
import { mathFunctions, type MathFunction } from "../emit/math.ts";
import type { Binding, WebGpuKernel } from "../kernel.ts";

export interface Elementwise<P extends object> {
  readonly op: Op<P>;
  /** Names of the first inputs, in order; the formula knows their vec4s by them. */
  readonly inputs: readonly string[];
  /** Names of the inputs behind them, whose elements are the same for all: `$hyper[0]`, an f32. */
  readonly uniforms?: readonly string[];
  readonly math?: readonly MathFunction[];
  /** Expressions over vec4f, one for each output, and the statements before them. */
  readonly formula: (call: KernelCall<P>) => Formula;
}

export interface Formula {
  readonly body?: string;
  readonly outputs: readonly string[];
}

export function elementwiseKernel<P extends object>({
  op,
  inputs,
  uniforms = [],
  math = [],
  formula,
}: Elementwise<P>): WebGpuKernel {
  return {
    name: `f32-${op.name}-webgpu`,
    op,
    accepts: () => true,
    build(call: KernelCall) {
      const elements = elementCount(call.outputs[0]!);
      const { body = "", outputs } = formula(call as KernelCall<P>);
      const present = uniforms.slice(0, call.inputs.length - inputs.length);
      const bindings: Record<string, Binding> = {};
      inputs.forEach((name, input) => (bindings[name] = { of: { input }, type: "vec4f" }));
      present.forEach((name, i) => (bindings[name] = { of: { input: inputs.length + i }, type: "f32" }));
      outputs.forEach((_, output) => (bindings[`result${output}`] = { of: { output }, type: "vec4f" }));
      const stores = outputs.map((value, i) => `{ ${storeVec4(`result${i}`, value, elements)} }`);
      return {
        passes: [
          flatPass({
            count: Math.ceil(elements / 4),
            bindings,
            module: mathFunctions(math, 4),
            body: `${inputs.map((name) => `let ${name} = $${name}[i];`).join(" ")}
  ${body}
  ${stores.join("\n  ")}`,
          }),
        ],
      };
    },
  };
}
