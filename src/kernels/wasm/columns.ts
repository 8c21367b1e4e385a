// Kernels over the columns of a matrix [rows, C]: adding a bias to every row, and summing all rows.

import type { KernelCall } from "../kernel.ts";
import { biasAdd, columnSum } from "../ops/bias.ts";
import { elementCount } from "../tensor.ts";
import { forRange, increase, repeat, when, whileLoop, type Local } from "./emitter.ts";
import { f32x4, i32, v128, type Body } from "./instructions.ts";
import { singlePhase, type WasmKernel } from "./kernel.ts";
import { FLOAT_BYTES, storeRow, sweep, SWEEP_FLOATS, vectorsOf } from "./lanes.ts";

const biasAddKernel: WasmKernel = {
  name: "f32-bias-add-wasm",
  op: biasAdd,
  accepts: () => true,
  emit(module, { inputs }: KernelCall) {
    const columns = inputs[1]!.shape[0]!;
    const rowBytes = columns * FLOAT_BYTES;
    const names = ["begin", "end", "x", "bias", "y", "scratch"] as const;
    const func = module.func(`bias-add ${columns}`, names, (p, f) => {
      const { row, pass, bias } = f.named("i32", ["row", "pass", "bias"]);
      const values = f.locals("v128", 4);
      return [
        increase(p.x, i32.mul(p.begin, rowBytes)),
        increase(p.y, i32.mul(p.begin, rowBytes)),
        forRange(row, p.begin, p.end, 1, [
          bias.set(p.bias),
          sweep(columns, pass, [p.x, p.y, bias], (vectors) => [
            vectors.map(({ offset }, j) =>
              values[j]!.set(f32x4.add(v128.load(p.x, offset), v128.load(bias, offset))),
            ),
            storeRow(p.y, vectors, values),
          ]),
        ]),
      ];
    });
    return singlePhase({ func, extent: elementCount(inputs[0]!) / columns, grain: 1 });
  },
};

/** Rows that are summed side by side: it hides the latency of additions, and shortens their chains. */
const CHAINS = 4;

/** y[c] = sum of chains of every fourth row, the chains added in pairs. Units are columns. */
const columnSumKernel: WasmKernel = {
  name: "f32-column-sum-wasm",
  op: columnSum,
  accepts: () => true,
  emit(module, { inputs, outputs }: KernelCall) {
    const columns = outputs[0]!.shape[0]!;
    const rows = elementCount(inputs[0]!) / columns;
    const rowBytes = columns * FLOAT_BYTES;
    const names = ["begin", "end", "x", "y", "scratch"] as const;
    const func = module.func(`column-sum ${rows}x${columns}`, names, (p, f) => {
      const { remaining, at, row } = f.named("i32", ["remaining", "at", "row"]);
      const sums = Array.from({ length: CHAINS }, () => f.locals("v128", SWEEP_FLOATS / 4));
      /** All rows of `width` columns. */
      const block = (width: number): Body => {
        const vectors = vectorsOf(width);
        const addRow = (chain: number, offsetBytes: number): Body =>
          vectors.map(({ offset }, j) => {
            const sum = sums[chain]![j]!;
            return sum.set(f32x4.add(sum, v128.load(at, offsetBytes + offset)));
          });
        const totals = vectors.map((_, j) => {
          const [a, b, c, d] = sums.map((chain) => chain[j]!) as [V, V, V, V];
          return a.set(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
        });
        return [
          vectors.map((_, j) => sums.map((chain) => chain[j]!.set(v128.zero))),
          at.set(p.x),
          repeat(row, Math.floor(rows / CHAINS), [
            sums.map((_, chain) => addRow(chain, chain * rowBytes)),
            increase(at, CHAINS * rowBytes),
          ]),
          Array.from({ length: rows % CHAINS }, (_, chain) => addRow(chain, chain * rowBytes)),
          totals,
          storeRow(p.y, vectors, sums[0]!),
        ];
      };
      const rest = columns % SWEEP_FLOATS;
      return [
        increase(p.x, i32.mul(p.begin, FLOAT_BYTES)),
        increase(p.y, i32.mul(p.begin, FLOAT_BYTES)),
        remaining.set(i32.sub(p.end, p.begin)),
        whileLoop(i32.geU(remaining, SWEEP_FLOATS), [
          block(SWEEP_FLOATS),
          increase(p.x, SWEEP_FLOATS * FLOAT_BYTES),
          increase(p.y, SWEEP_FLOATS * FLOAT_BYTES),
          increase(remaining, -SWEEP_FLOATS),
        ]),
        rest === 0 ? [] : when(remaining, block(rest)),
      ];
    });
    return singlePhase({ func, extent: columns, grain: SWEEP_FLOATS });
  },
};

type V = Local<"v128">;

export const columnKernels: readonly WasmKernel[] = [biasAddKernel, columnSumKernel];
