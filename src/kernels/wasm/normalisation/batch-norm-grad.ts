// Kernel of batch norm's gradient: reads x and dy twice, for the sums over rows and for dx. What a ReLU cut off is found
// again, bit by bit, from x.

import type { KernelCall } from "../../kernel.ts";
import { batchNormGrad, type BatchNormGradParams } from "../../ops/batch-norm.ts";
import type { Activation } from "../../ops/elementwise.ts";
import { affine, groupsOf } from "./batch-norm-affine.ts";
import { addGroups, groupSumsPhase, partialBytes } from "../emit/column-sums.ts";
import type { FunctionBuilder } from "../../../wasm/emitter.ts";
import { f32x4, v128, type Body, type V128 } from "../../../wasm/instructions.ts";
import type { WasmKernel } from "../kernel.ts";
import { splat, storeRow, SWEEP_FLOATS, sweepSlice } from "../../../wasm/lanes.ts";
import { rowsPhase, type Load, type Operands } from "../emit/row-blocks.ts";

const { sub, mul } = f32x4;

const GRADIENT = ["x", "gamma", "beta", "dy", "mean", "rstd", "dx", "dgamma", "dbeta"] as const;

/** Of dy (x - mean), and of dy. */
const GRADIENT_PARTIALS = { sums: 2 };

/** x - mean, and dy where the activation let the value through: statements, and the locals they set. */
function gradientElements(
  f: FunctionBuilder,
  p: Operands<(typeof GRADIENT)[number]>,
  activation: Activation,
  { centred, result }: ReturnType<typeof affine>,
) {
  const z = f.locals("v128", 2);
  const g = f.locals("v128", 2);
  const body = (load: Load, j: number): Body => [
    z[j]!.set(centred(load(p.x), j)),
    g[j]!.set(
      activation === "none" ? load(p.dy) : v128.and(load(p.dy), f32x4.gt(result(z[j]!, j), v128.zero)),
    ),
  ];
  return { z, g, body };
}

export const batchNormGradKernel: WasmKernel = {
  name: "f32-batch-norm-grad-wasm",
  op: batchNormGrad,
  accepts: () => true,
  emit(module, call: KernelCall<BatchNormGradParams>) {
    const { activation, statistics } = call.params;
    const groups = groupsOf(call);
    const { rows, columns } = groups;
    const key = `batch-norm-grad ${activation}`;

    const sums = groupSumsPhase(module, key, groups, GRADIENT_PARTIALS, GRADIENT, (p, f) => {
      const norm = affine(f, p);
      const { z, g, body } = gradientElements(f, p, activation, norm);
      return {
        matrices: [p.x, p.dy],
        vectors: norm.vectors,
        columns: norm.columns,
        terms: (load, j) => ({ body: body(load, j), terms: [mul(g[j]!, z[j]!), g[j]!] }),
      };
    });

    // Behind the partial sums, by column: what dx loses to dbeta, and to dgamma by x - mean.
    const lossBytes = partialBytes(groups, GRADIENT_PARTIALS);
    const slopeBytes = lossBytes + groups.strideBytes;

    const names = ["begin", "end", ...GRADIENT, "shared", "scratch"] as const;
    const totals = module.func(`batch-norm-grad totals ${rows}x${columns}`, names, (p, f) => {
      const dgamma = f.locals("v128", SWEEP_FLOATS / 4);
      const dbeta = f.locals("v128", SWEEP_FLOATS / 4);
      const share = f.local("v128");
      const pointers = [p.shared, p.gamma, p.rstd, p.dgamma, p.dbeta];
      return sweepSlice(columns, p, f.local("i32"), pointers, (vectors) => [
        addGroups(f, groups, p.shared, vectors, [dgamma, dbeta]),
        vectors.map(({ offset }, j) => {
          const rstd = v128.load(p.rstd, offset);
          return [
            share.set(mul(mul(v128.load(p.gamma, offset), rstd), splat(1 / rows))),
            dgamma[j]!.set(mul(dgamma[j]!, rstd)),
            v128.store(p.shared, mul(share, dbeta[j]!), lossBytes + offset),
            v128.store(p.shared, mul(share, mul(dgamma[j]!, rstd)), slopeBytes + offset),
          ];
        }),
        storeRow(p.dgamma, vectors, dgamma),
        storeRow(p.dbeta, vectors, dbeta),
      ]);
    });

    const elementKey = `${key} elements ${statistics} ${lossBytes}`;
    const operands = [...GRADIENT, "shared"] as const;
    const elements = rowsPhase(module, elementKey, [rows, columns], operands, (p, f) => {
      const norm = affine(f, p);
      const { z, g, body } = gradientElements(f, p, activation, norm);
      const losses = f.locals("v128", 2);
      const slopes = f.locals("v128", 2);
      const scaled = (j: number): V128 => mul(g[j]!, norm.scales[j]!);
      return {
        sources: [p.x, p.dy],
        target: p.dx,
        vectors: [...norm.vectors, p.shared],
        columns: (load, j) => [
          norm.columns(load, j),
          losses[j]!.set(load(p.shared, lossBytes)),
          slopes[j]!.set(load(p.shared, slopeBytes)),
        ],
        element: (load, j) => ({
          body: body(load, j),
          value:
            statistics === "moving" ? scaled(j) : sub(sub(scaled(j), losses[j]!), mul(z[j]!, slopes[j]!)),
        }),
      };
    });
    return {
      phases: [sums, { func: totals, extent: columns, grain: SWEEP_FLOATS }, elements],
      sharedBytes: slopeBytes + groups.strideBytes,
      scratchBytes: 0,
    };
  },
};
