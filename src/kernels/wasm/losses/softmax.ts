// Kernels of `softmax` and its gradient: row by row, each row in up to three passes. The largest logit is subtracted first, so that no exponential overflows.

import type { KernelCall } from "../../kernel.ts";
import type { AnyOp } from "../../op.ts";
import { softmax, softmaxGrad } from "../../ops/softmax.ts";
import { forRange, increase, type FunctionBuilder, type Local } from "../../../wasm/emitter.ts";
import { f32x4, i32, v128, type Body, type I32 } from "../../../wasm/instructions.ts";
import { singlePhase, type WasmKernel } from "../kernel.ts";
import { FLOAT_BYTES, storeRow, sweep, SWEEP_FLOATS, VECTOR_FLOATS } from "../../../wasm/lanes.ts";
import { keepLanes, maximumOfLanes, rowSums, sumLanes } from "../../../wasm/rows.ts";
import { VectorMath } from "../../../wasm/vector-math.ts";

/** maximum = the row's largest value, in every lane. */
export function rowMaximum(
  f: FunctionBuilder,
  math: VectorMath,
  row: Local<"i32">,
  columns: number,
  maximum: Local<"v128">,
): Body {
  const { at, pass } = f.named("i32", ["at", "pass"]);
  const lowest = math.constant(-Infinity);
  return [
    at.set(row),
    maximum.set(lowest),
    sweep(columns, pass, [at], (vectors) =>
      vectors.map(({ offset, lanes }) =>
        maximum.set(f32x4.pmax(maximum, keepLanes(v128.load(at, offset), lanes, lowest))),
      ),
    ),
    maximumOfLanes(maximum),
  ];
}

/** target = exp(row - maximum), sum = their sum in every lane. */
export function rowExponentials(
  f: FunctionBuilder,
  math: VectorMath,
  row: Local<"i32">,
  columns: number,
  maximum: Local<"v128">,
  sum: Local<"v128">,
  target: I32,
): Body {
  const { from, to, pass } = f.named("i32", ["from", "to", "pass"]);
  const values = f.locals("v128", SWEEP_FLOATS / VECTOR_FLOATS);
  return [
    from.set(row),
    to.set(target),
    // Summed from memory: a use besides the store would keep V8 from joining pairs.
    sweep(columns, pass, [from, to], (vectors) => [
      vectors.map(({ offset }, j) => math.exp(values[j]!, f32x4.sub(v128.load(from, offset), maximum))),
      storeRow(to, vectors, values),
    ]),
    to.set(target),
    rowSums(f, columns, [to], [sum], (offset) => ({ terms: [v128.load(to, offset)] })),
  ];
}

/** A kernel of outer units that are rows of y. `names` are its inputs; those in `rowInputs` advance with the row. */
function rowKernel<const N extends readonly string[]>(
  op: AnyOp,
  names: N,
  row: (
    f: FunctionBuilder,
    math: VectorMath,
    columns: number,
    parameters: Readonly<Record<N[number] | "begin" | "y", Local<"i32">>>,
  ) => { readonly rowInputs: readonly N[number][]; readonly setup?: Body; readonly body: Body },
): WasmKernel {
  return {
    name: `f32-${op.name}-wasm`,
    op,
    accepts: () => true,
    emit(module, { outputs }: KernelCall) {
      const [rows, columns] = outputs[0]!.shape as [number, number];
      const rowBytes = columns * FLOAT_BYTES;
      const parameters: readonly string[] = ["begin", "end", ...names, "y", "scratch"];
      const func = module.func(`${op.name} ${columns}`, parameters, (p, f) => {
        const math = new VectorMath(f);
        const index = f.local("i32");
        const { rowInputs, setup, body } = row(f, math, columns, p);
        const pointers = [...rowInputs, "y"].map((name) => p[name]!);
        const main = [
          pointers.map((pointer) => increase(pointer, i32.mul(p["begin"]!, rowBytes))),
          forRange(index, p["begin"]!, p["end"]!, 1, [
            body,
            pointers.map((pointer) => increase(pointer, rowBytes)),
          ]),
        ];
        return [math.prologue(), setup ?? [], main];
      });
      return singlePhase({ func, extent: rows, grain: 1 });
    },
  };
}

const softmaxKernel = rowKernel(softmax, ["x"], (f, math, columns, { x, y }) => {
  const { maximum, sum } = f.named("v128", ["maximum", "sum"]);
  const { at, pass } = f.named("i32", ["at", "pass"]);
  const values = f.locals("v128", 4);
  return {
    rowInputs: ["x"],
    body: [
      rowMaximum(f, math, x, columns, maximum),
      rowExponentials(f, math, x, columns, maximum, sum, y),
      at.set(y),
      sweep(columns, pass, [at], (vectors) => [
        vectors.map(({ offset }, j) => values[j]!.set(f32x4.div(v128.load(at, offset), sum))),
        storeRow(at, vectors, values),
      ]),
    ],
  };
});

const softmaxGradKernel = rowKernel(softmaxGrad, ["p", "dy"], (f, _, columns, { p, dy, y: dx }) => {
  const dot = f.local("v128");
  const { a, b, to, pass } = f.named("i32", ["a", "b", "to", "pass"]);
  const values = f.locals("v128", 4);
  return {
    rowInputs: ["p", "dy"],
    body: [
      dot.set(v128.zero),
      a.set(p),
      b.set(dy),
      sweep(columns, pass, [a, b], (vectors) =>
        vectors.map(({ offset, lanes }) => {
          const product = f32x4.mul(v128.load(a, offset), v128.load(b, offset));
          return dot.set(f32x4.add(dot, keepLanes(product, lanes, v128.zero)));
        }),
      ),
      sumLanes(dot),
      a.set(p),
      b.set(dy),
      to.set(dx),
      sweep(columns, pass, [a, b, to], (vectors) => [
        vectors.map(({ offset }, j) =>
          values[j]!.set(f32x4.mul(v128.load(a, offset), f32x4.sub(v128.load(b, offset), dot))),
        ),
        storeRow(to, vectors, values),
      ]),
    ],
  };
});

export const softmaxKernels: readonly WasmKernel[] = [softmaxKernel, softmaxGradKernel];
