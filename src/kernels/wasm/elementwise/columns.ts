// Kernels over the columns of a matrix [rows, C]: adding a bias to every row, and summing all rows.

import type { KernelCall } from "../../kernel.ts";
import { biasAdd, columnSum } from "../../ops/bias.ts";
import { elementCount } from "../../tensor.ts";
import { addGroups, groupSumsPhase, partialBytes, rowGroups } from "../emit/column-sums.ts";
import { f32x4, type Body } from "../../../wasm/instructions.ts";
import type { WasmKernel } from "../kernel.ts";
import { storeRow, SWEEP_FLOATS, sweepSlice } from "../../../wasm/lanes.ts";
import { rowsPhase } from "../emit/row-blocks.ts";

const biasAddKernel: WasmKernel = {
  name: "f32-bias-add-wasm",
  op: biasAdd,
  accepts: () => true,
  emit(module, { inputs }: KernelCall) {
    const columns = inputs[1]!.shape[0]!;
    const rows = elementCount(inputs[0]!) / columns;
    const names = ["x", "bias", "y"] as const;
    const phase = rowsPhase(module, "bias-add", [rows, columns], names, (p, f) => {
      const biases = f.locals("v128", 2);
      return {
        sources: [p.x],
        target: p.y,
        vectors: [p.bias],
        columns: (load, j): Body => biases[j]!.set(load(p.bias)),
        element: (load, j) => ({ value: f32x4.add(load(p.x), biases[j]!) }),
      };
    });
    return { phases: [phase], sharedBytes: 0, scratchBytes: 0 };
  },
};

const PARTIALS = { sums: 1 };

const columnSumKernel: WasmKernel = {
  name: "f32-column-sum-wasm",
  op: columnSum,
  accepts: () => true,
  emit(module, { inputs, outputs }: KernelCall) {
    const columns = outputs[0]!.shape[0]!;
    const groups = rowGroups(elementCount(inputs[0]!) / columns, columns);
    const sums = groupSumsPhase(module, "column-sum", groups, PARTIALS, ["x", "y"], (p) => ({
      matrices: [p.x],
      terms: (load) => ({ terms: [load(p.x)] }),
    }));
    const names = ["begin", "end", "x", "y", "shared", "scratch"] as const;
    const func = module.func(`column-sum totals ${groups.rows}x${columns}`, names, (p, f) => {
      const totals = f.locals("v128", SWEEP_FLOATS / 4);
      return sweepSlice(columns, p, f.local("i32"), [p.shared, p.y], (vectors) => [
        addGroups(f, groups, p.shared, vectors, [totals]),
        storeRow(p.y, vectors, totals),
      ]);
    });
    return {
      phases: [sums, { func, extent: columns, grain: SWEEP_FLOATS }],
      sharedBytes: partialBytes(groups, PARTIALS),
      scratchBytes: 0,
    };
  },
};

export const columnKernels: readonly WasmKernel[] = [biasAddKernel, columnSumKernel];
