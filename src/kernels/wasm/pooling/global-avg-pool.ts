// Kernels of global average pooling and its gradient. Units are samples: the pixels of one are a group of rows.

import type { KernelCall } from "../../kernel.ts";
import { globalAvgPool, globalAvgPoolGrad } from "../../ops/global-avg-pool.ts";
import { elementCount } from "../../tensor.ts";
import { groupSumsPhase, partialBytes, type RowGroups } from "../emit/column-sums.ts";
import { forRange, increase } from "../../../wasm/emitter.ts";
import { f32, f32x4, i32, v128 } from "../../../wasm/instructions.ts";
import { singlePhase, type WasmKernel } from "../kernel.ts";
import { FLOAT_BYTES, storeRow, sweep, SWEEP_FLOATS } from "../../../wasm/lanes.ts";
import { rowBlocks } from "../emit/row-blocks.ts";

const PARTIALS = { sums: 1 };

const globalAvgPoolKernel: WasmKernel = {
  name: "f32-global-avg-pool-wasm",
  op: globalAvgPool,
  accepts: () => true,
  emit(module, { inputs, outputs }: KernelCall) {
    const [samples, columns] = outputs[0]!.shape as [number, number];
    const pixels = elementCount(inputs[0]!) / elementCount(outputs[0]!);
    const strideBytes = Math.ceil(columns / SWEEP_FLOATS) * SWEEP_FLOATS * FLOAT_BYTES;
    const groups: RowGroups = {
      ...{ rows: samples * pixels, columns, strideBytes },
      ...{ groupRows: pixels, count: samples, lastRows: pixels },
    };
    const key = `global-avg-pool ${samples}`;
    const sums = groupSumsPhase(module, key, groups, PARTIALS, ["x", "y"], (p) => ({
      matrices: [p.x],
      terms: (load) => ({ terms: [load(p.x)] }),
    }));
    const names = ["begin", "end", "x", "y", "shared", "scratch"] as const;
    const means = module.func(`global-avg-pool means ${pixels}x${columns}`, names, (p, f) => {
      const { sample, pass } = f.named("i32", ["sample", "pass"]);
      const share = f.local("v128");
      const values = f.locals("v128", SWEEP_FLOATS / 4);
      return [
        share.set(f32x4.splat(f32.const(1 / pixels))),
        increase(p.shared, i32.mul(p.begin, strideBytes)),
        increase(p.y, i32.mul(p.begin, columns * FLOAT_BYTES)),
        forRange(sample, p.begin, p.end, 1, [
          sweep(columns, pass, [p.shared, p.y], (vectors) => [
            vectors.map(({ offset }, j) => values[j]!.set(f32x4.mul(v128.load(p.shared, offset), share))),
            storeRow(p.y, vectors, values),
          ]),
          increase(p.shared, strideBytes - columns * FLOAT_BYTES),
        ]),
      ];
    });
    return {
      phases: [sums, { func: means, extent: samples, grain: 1 }],
      sharedBytes: partialBytes(groups, PARTIALS),
      scratchBytes: 0,
    };
  },
};

const globalAvgPoolGradKernel: WasmKernel = {
  name: "f32-global-avg-pool-grad-wasm",
  op: globalAvgPoolGrad,
  accepts: () => true,
  emit(module, { inputs, outputs }: KernelCall) {
    const [samples, columns] = inputs[0]!.shape as [number, number];
    const pixels = elementCount(outputs[0]!) / elementCount(inputs[0]!);
    const rowBytes = columns * FLOAT_BYTES;
    const names = ["begin", "end", "dy", "dx", "scratch"] as const;
    const func = module.func(`global-avg-pool-grad ${pixels}x${columns}`, names, (p, f) => {
      const { sample, rows } = f.named("i32", ["sample", "rows"]);
      const share = f.local("v128");
      const values = f.locals("v128", 2);
      return [
        share.set(f32x4.splat(f32.const(1 / pixels))),
        increase(p.dy, i32.mul(p.begin, rowBytes)),
        increase(p.dx, i32.mul(p.begin, pixels * rowBytes)),
        forRange(sample, p.begin, p.end, 1, [
          rows.set(i32.const(pixels)),
          rowBlocks(f, { columns, rows, matrices: [p.dx], vectors: [p.dy] }, (tile) => [
            tile.vectors.map((_, j) => values[j]!.set(f32x4.mul(tile.loadColumn(p.dy, j), share))),
            Array.from({ length: tile.rows }, (_, row) => tile.store(p.dx, row, values)),
          ]),
          increase(p.dy, rowBytes),
        ]),
      ];
    });
    return singlePhase({ func, extent: samples, grain: 1 });
  },
};

export const globalAvgPoolKernels: readonly WasmKernel[] = [globalAvgPoolKernel, globalAvgPoolGradKernel];
