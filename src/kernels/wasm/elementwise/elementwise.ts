// Kernels that compute each element from the elements at the same place: one loop for all of them. Sixteen elements
// are read and computed before any is written (so outputs may lie on inputs), then stored from the last to the first:
// V8 joins such pairs of stores, and what feeds them, into 256-bit operations.

import type { KernelCall } from "../../kernel.ts";
import type { AnyOp } from "../../op.ts";
import { elementCount } from "../../tensor.ts";
import type { FunctionBuilder, Local } from "../../../wasm/emitter.ts";
import { v128, type Body, type I32, type V128 } from "../../../wasm/instructions.ts";
import { singlePhase, type WasmKernel } from "../kernel.ts";
import { storeRow, SWEEP_FLOATS, sweepSlice, vectorsOf, type Vector } from "../../../wasm/lanes.ts";
import { VectorMath } from "../../../wasm/vector-math.ts";

/** Computes four elements: appends statements, returns one value per output. */
export interface Lanes {
  readonly body: Body;
  readonly outputs: readonly V128[];
}

/** What a formula may use besides its elements. */
export interface FormulaContext<P extends object> {
  readonly math: VectorMath;
  readonly locals: FunctionBuilder;
  readonly call: KernelCall<P>;
  /** Addresses of the inputs behind the element-wise ones, read once per call. */
  readonly uniforms: readonly I32[];
}

export interface ElementwiseFormula<P extends object> {
  readonly op: AnyOp;
  /** The first `elementInputs` inputs are read element by element. */
  readonly elementInputs: number;
  /** Distinguishes code by params. */
  readonly variant?: (params: P) => string;
  /** Called once per function: `setup` runs before the loop, `lanes` is called for each vector of a pass. */
  readonly formula: (context: FormulaContext<P>) => {
    readonly setup?: Body;
    readonly lanes: (inputs: readonly Local<"v128">[]) => Lanes;
  };
}

export function elementwiseKernel<P extends object>(spec: ElementwiseFormula<P>): WasmKernel {
  const { op, elementInputs, formula } = spec;
  return {
    name: `f32-${op.name}-wasm`,
    op,
    accepts: () => true,
    emit(module, call: KernelCall<P>) {
      const extent = elementCount(call.outputs[0]!);
      const inputNames = call.inputs.map((_, i) => `input${i}`);
      const outputNames = call.outputs.map((_, i) => `output${i}`);
      // Formulas may read shapes (a mean's divisor), hence the shape in the key.
      const shape = call.outputs[0]!.shape.join("x");
      const key = `${op.name} ${shape} ${call.inputs.length} ${spec.variant?.(call.params) ?? ""}`;
      const names = ["begin", "end", ...inputNames, ...outputNames, "scratch"];
      const func = module.func(key, names, (p, f) => {
        const sources = inputNames.slice(0, elementInputs).map((name) => p[name]!);
        const targets = outputNames.map((name) => p[name]!);
        const math = new VectorMath(f);
        const uniforms = inputNames.slice(elementInputs).map((name) => p[name]!);
        const { setup, lanes } = formula({ math, locals: f, call, uniforms });
        const values = vectorsOf(SWEEP_FLOATS).map(() => f.locals("v128", elementInputs));
        const results = targets.map(() => f.locals("v128", values.length));

        const pass = (vectors: readonly Vector[]): Body => [
          vectors.map(({ offset }, j) => {
            const inputs = values[j]!;
            const computed = lanes(inputs);
            return [
              sources.map((source, i) => inputs[i]!.set(v128.load(source, offset))),
              computed.body,
              computed.outputs.map((output, i) => results[i]![j]!.set(output)),
            ];
          }),
          targets.map((target, i) => storeRow(target, vectors, results[i]!)),
        ];
        const main = sweepSlice(
          extent,
          { begin: p["begin"]!, end: p["end"]! },
          f.local("i32"),
          [...sources, ...targets],
          pass,
        );
        return [math.prologue(), setup ?? [], main];
      });
      return singlePhase({ func, extent, grain: SWEEP_FLOATS });
    },
  };
}
