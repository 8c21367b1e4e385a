// Kernels of concat and slice: both copy stretches of rows. Units are rows.

import type { KernelCall } from "../../kernel.ts";
import { concat, rowsOf, slice, type SliceParams } from "../../ops/concat.ts";
import { forRange, increase, type FunctionBuilder, type Local } from "../../../wasm/emitter.ts";
import { i32, v128, type Body } from "../../../wasm/instructions.ts";
import { singlePhase, type WasmKernel } from "../kernel.ts";
import { FLOAT_BYTES, storeRow, sweep, SWEEP_FLOATS } from "../../../wasm/lanes.ts";

/** A function of (source, target): copies `floats` elements and leaves both behind them. */
function stretchCopier(f: FunctionBuilder) {
  const pass = f.local("i32");
  const values = f.locals("v128", SWEEP_FLOATS / 4);
  return (source: Local<"i32">, target: Local<"i32">, floats: number): Body =>
    sweep(floats, pass, [source, target], (vectors) => [
      vectors.map(({ offset }, j) => values[j]!.set(v128.load(source, offset))),
      storeRow(target, vectors, values),
    ]);
}

const concatKernel: WasmKernel = {
  name: "f32-concat-wasm",
  op: concat,
  accepts: () => true,
  emit(module, { inputs, outputs }: KernelCall) {
    const columns = inputs.map(({ shape }) => shape.at(-1)!);
    const total = outputs[0]!.shape.at(-1)!;
    const names = inputs.map((_, i) => `x${i}`);
    const parameters: readonly string[] = ["begin", "end", ...names, "y", "scratch"];
    const func = module.func(`concat ${columns.join()}`, parameters, (p, f) => {
      const copy = stretchCopier(f);
      const sources = names.map((name) => p[name]!);
      const y = p["y"]!;
      const skip = (pointer: Local<"i32">, floats: number): Body =>
        increase(pointer, i32.mul(p["begin"]!, floats * FLOAT_BYTES));
      return [
        sources.map((source, i) => skip(source, columns[i]!)),
        skip(y, total),
        forRange(
          f.local("i32"),
          p["begin"]!,
          p["end"]!,
          1,
          sources.map((source, i) => copy(source, y, columns[i]!)),
        ),
      ];
    });
    return singlePhase({ func, extent: rowsOf(outputs[0]!), grain: 1 });
  },
};

const sliceKernel: WasmKernel = {
  name: "f32-slice-wasm",
  op: slice,
  accepts: () => true,
  emit(module, { inputs, outputs, params: { begin, end } }: KernelCall<SliceParams>) {
    const columns = inputs[0]!.shape.at(-1)!;
    const width = end - begin;
    const names = ["begin", "end", "x", "y", "scratch"] as const;
    const func = module.func(`slice ${columns} ${begin} ${end}`, names, (p, f) => {
      const copy = stretchCopier(f);
      return [
        increase(p.x, i32.add(i32.mul(p.begin, columns * FLOAT_BYTES), begin * FLOAT_BYTES)),
        increase(p.y, i32.mul(p.begin, width * FLOAT_BYTES)),
        forRange(f.local("i32"), p.begin, p.end, 1, [
          copy(p.x, p.y, width),
          increase(p.x, (columns - width) * FLOAT_BYTES),
        ]),
      ];
    });
    return singlePhase({ func, extent: rowsOf(outputs[0]!), grain: 1 });
  },
};

export const concatKernels: readonly WasmKernel[] = [concatKernel, sliceKernel];
