// Kernels of products with a sparse matrix in CSR form: columns of the dense operand are the lanes, non-zeros come in
// their order. Units are rows forward. Backward and in the update they are features: each slice looks at all non-zeros
// and takes those of its own features, so that no two slices write to one place.

import type { KernelCall } from "../../kernel.ts";
import {
  sparseDense,
  sparseDenseGrad,
  sparseSgdUpdate,
  type SparseDenseGradParams,
} from "../../ops/sparse-dense.ts";
import { elementCount } from "../../tensor.ts";
import {
  forRange,
  increase,
  when,
  whileLoop,
  type FunctionBuilder,
  type Local,
} from "../../../wasm/emitter.ts";
import { f32x4, i32, memory, v128, type Body, type I32, type V128 } from "../../../wasm/instructions.ts";
import { singlePhase, type WasmKernel } from "../kernel.ts";
import { FLOAT_BYTES, multiplyAdd, storeRow, sweep, SWEEP_FLOATS } from "../../../wasm/lanes.ts";

type Csr = Readonly<Record<"values" | "columns" | "rowStarts", Local<"i32">>>;

interface NonZeros {
  /** Number of the row. */
  readonly row: Local<"i32">;
  /** Those there are room for. */
  readonly capacity: number;
}

/** Runs `visit` for the row's non-zeros with their columns and the addresses of their values. */
function forNonZeros(
  f: FunctionBuilder,
  { values, columns, rowStarts }: Csr,
  { row, capacity }: NonZeros,
  visit: (column: Local<"i32">, value: Local<"i32">) => Body,
): Body {
  const { start, position, end, column, value } = f.named("i32", [
    "start",
    "position",
    "end",
    "column",
    "value",
  ]);
  return [
    start.set(i32.add(rowStarts, i32.mul(row, FLOAT_BYTES))),
    position.set(i32.load(start)),
    end.set(i32.load(start, FLOAT_BYTES)),
    end.set(i32.select(i32.ltU(end, capacity), end, capacity)),
    whileLoop(i32.ltU(position, end), [
      value.set(i32.mul(position, FLOAT_BYTES)),
      column.set(i32.load(i32.add(columns, value))),
      value.set(i32.add(values, value)),
      visit(column, value),
      increase(position, 1),
    ]),
  ];
}

const sparseDenseKernel: WasmKernel = {
  name: "f32-sparse-dense-wasm",
  op: sparseDense,
  accepts: () => true,
  emit(module, { inputs, outputs }: KernelCall) {
    const capacity = elementCount(inputs[0]!);
    const [features, columns] = inputs[3]!.shape as [number, number];
    const rowBytes = columns * FLOAT_BYTES;
    const biased = inputs.length === 5;
    const operands = ["values", "columns", "rowStarts", "w", ...(biased ? ["bias"] : []), "y"];
    const key = `sparse-dense ${capacity} ${features}x${columns} ${biased}`;
    const func = module.func(key, ["begin", "end", ...operands, "scratch"], (all, f) => {
      const p = all as Csr & Readonly<Record<"begin" | "end" | "w" | "bias" | "y", Local<"i32">>>;
      const { row, pass, w, bias, from } = f.named("i32", ["row", "pass", "w", "bias", "from"]);
      const sums = f.locals("v128", SWEEP_FLOATS / 4);
      return [
        increase(p.y, i32.mul(p.begin, rowBytes)),
        forRange(row, p.begin, p.end, 1, [
          w.set(p.w),
          biased ? bias.set(p.bias) : [],
          sweep(columns, pass, biased ? [w, bias, p.y] : [w, p.y], (vectors) => [
            vectors.map((_, j) => sums[j]!.set(v128.zero)),
            forNonZeros(f, p, { row, capacity }, (column, value) =>
              when(i32.ltU(column, features), [
                from.set(i32.add(w, i32.mul(column, rowBytes))),
                vectors.map(({ offset }, j) =>
                  sums[j]!.set(
                    multiplyAdd(module, v128.load32Splat(value), v128.load(from, offset), sums[j]!),
                  ),
                ),
              ]),
            ),
            biased
              ? vectors.map(({ offset }, j) => sums[j]!.set(f32x4.add(sums[j]!, v128.load(bias, offset))))
              : [],
            storeRow(p.y, vectors, sums),
          ]),
        ]),
      ];
    });
    return singlePhase({ func, extent: outputs[0]!.shape[0]!, grain: 1 });
  },
};

interface Scatter {
  readonly operands: readonly string[];
  /** What the slice's part of the target, `sizeBytes` at `offset`, begins with. */
  readonly begin: (p: Parameters, offset: I32, sizeBytes: I32) => Body;
  /** Adds a non-zero's share to what is there. */
  readonly add: (p: Parameters, there: V128, value: V128, dy: V128) => V128;
}

type Parameters = Readonly<Record<string, Local<"i32">>>;

/** target[K,N] = what it begins with and, for every non-zero, a share made of its value and its row of dy. */
function scatterKernel(
  op: typeof sparseDenseGrad | typeof sparseSgdUpdate,
  scatterOf: (module: { readonly relaxedSimd: boolean }) => Scatter,
): WasmKernel {
  return {
    name: `f32-${op.name}-wasm`,
    op,
    accepts: () => true,
    emit(module, { inputs, outputs }: KernelCall<SparseDenseGradParams>) {
      const { operands, begin, add } = scatterOf(module);
      const capacity = elementCount(inputs[operands.indexOf("values")]!);
      const rows = inputs[operands.indexOf("dy")]!.shape[0]!;
      const [features, columns] = outputs[0]!.shape as [number, number];
      const rowBytes = columns * FLOAT_BYTES;
      const names = ["begin", "end", ...operands, "target", "scratch"];
      const key = `${op.name} ${capacity} ${rows} ${features}x${columns}`;
      const func = module.func(key, names, (p, f) => {
        const { row, pass, dy, target, to, own } = f.named("i32", [
          "row",
          "pass",
          "dy",
          "target",
          "to",
          "own",
        ]);
        const sums = f.locals("v128", SWEEP_FLOATS / 4);
        const dys = f.locals("v128", SWEEP_FLOATS / 4);
        return [
          own.set(i32.sub(p.end!, p.begin!)),
          begin(p, i32.mul(p.begin!, rowBytes), i32.mul(own, rowBytes)),
          forRange(row, 0, rows, 1, [
            dy.set(i32.add(p.dy!, i32.mul(row, rowBytes))),
            target.set(i32.add(p.target!, i32.mul(p.begin!, rowBytes))),
            sweep(columns, pass, [dy, target], (vectors) => [
              vectors.map(({ offset }, j) => dys[j]!.set(v128.load(dy, offset))),
              forNonZeros(f, p, { row, capacity }, (column, value) => [
                column.set(i32.sub(column, p.begin!)),
                when(i32.ltU(column, own), [
                  to.set(i32.add(target, i32.mul(column, rowBytes))),
                  vectors.map(({ offset }, j) =>
                    sums[j]!.set(add(p, v128.load(to, offset), v128.load32Splat(value), dys[j]!)),
                  ),
                  storeRow(to, vectors, sums),
                ]),
              ]),
            ]),
          ]),
        ];
      });
      return singlePhase({ func, extent: features, grain: 1 });
    },
  };
}

const sparseDenseGradKernel = scatterKernel(sparseDenseGrad, (module) => ({
  operands: ["values", "columns", "rowStarts", "dy"],
  begin: ({ target }, offset, sizeBytes) => memory.fill(i32.add(target!, offset), 0, sizeBytes),
  add: (_, there, value, dy) => multiplyAdd(module, value, dy, there),
}));

/** Rounds like the formula as it is written: ranks on different machines keep equal bits. */
const sparseSgdUpdateKernel = scatterKernel(sparseSgdUpdate, () => ({
  operands: ["w", "values", "columns", "rowStarts", "dy", "lr"],
  begin: ({ w, target }, offset, sizeBytes) =>
    when(i32.sub(w!, target!), memory.copy(i32.add(target!, offset), i32.add(w!, offset), sizeBytes)),
  add: ({ lr }, there, value, dy) => f32x4.sub(there, f32x4.mul(v128.load32Splat(lr!), f32x4.mul(value, dy))),
}));

export const sparseDenseKernels: readonly WasmKernel[] = [
  sparseDenseKernel,
  sparseDenseGradKernel,
  sparseSgdUpdateKernel,
];
