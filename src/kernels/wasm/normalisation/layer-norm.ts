// Kernels of layer normalisation, row by row: a row is read from memory once and from the cache after that.

import type { KernelCall } from "../../kernel.ts";
import { layerNorm, layerNormGrad, type LayerNormParams } from "../../ops/layer-norm.ts";
import { elementCount } from "../../tensor.ts";
import { addGroups, bytesPerGroup, partialBytes, rowGroups } from "../emit/column-sums.ts";
import { forRange, increase } from "../../../wasm/emitter.ts";
import { f32, f32x4, i32, memory, v128, type V128 } from "../../../wasm/instructions.ts";
import { singlePhase, type WasmKernel } from "../kernel.ts";
import { FLOAT_BYTES, splat, storeRow, sweep, SWEEP_FLOATS, sweepSlice } from "../../../wasm/lanes.ts";
import { rowSums } from "../../../wasm/rows.ts";

const { add, sub, mul, div } = f32x4;

const layerNormKernel: WasmKernel = {
  name: "f32-layer-norm-wasm",
  op: layerNorm,
  accepts: () => true,
  emit(module, { inputs, params: { epsilon } }: KernelCall<LayerNormParams>) {
    const columns = inputs[1]!.shape[0]!;
    const rows = elementCount(inputs[0]!) / columns;
    const rowBytes = columns * FLOAT_BYTES;
    const names = ["begin", "end", "x", "gamma", "beta", "y", "mean", "rstd", "scratch"] as const;
    const func = module.func(`layer-norm ${columns} ${epsilon}`, names, (p, f) => {
      const { row, pass, at } = f.named("i32", ["row", "pass", "at"]);
      const { mean, rstd, away, share } = f.named("v128", ["mean", "rstd", "away", "share"]);
      const values = f.locals("v128", SWEEP_FLOATS / 4);
      return [
        share.set(splat(1 / columns)),
        [p.x, p.y].map((matrix) => increase(matrix, i32.mul(p.begin, rowBytes))),
        [p.mean, p.rstd].map((vector) => increase(vector, i32.mul(p.begin, FLOAT_BYTES))),
        forRange(row, p.begin, p.end, 1, [
          at.set(p.x),
          rowSums(f, columns, [at], [mean], (offset) => ({ terms: [v128.load(at, offset)] })),
          mean.set(mul(mean, share)),
          at.set(p.x),
          rowSums(f, columns, [at], [rstd], (offset) => ({
            body: away.set(sub(v128.load(at, offset), mean)),
            terms: [mul(away, away)],
          })),
          rstd.set(div(splat(1), f32x4.sqrt(add(mul(rstd, share), splat(epsilon))))),
          sweep(columns, pass, [p.x, p.gamma, p.beta, p.y], (vectors) => [
            vectors.map(({ offset }, j) => {
              const z = mul(sub(v128.load(p.x, offset), mean), rstd);
              return values[j]!.set(add(mul(z, v128.load(p.gamma, offset)), v128.load(p.beta, offset)));
            }),
            storeRow(p.y, vectors, values),
          ]),
          [p.gamma, p.beta].map((vector) => increase(vector, -rowBytes)),
          f32.store(p.mean, f32x4.extractLane(mean, 0)),
          f32.store(p.rstd, f32x4.extractLane(rstd, 0)),
          [p.mean, p.rstd].map((vector) => increase(vector, FLOAT_BYTES)),
        ]),
      ];
    });
    return singlePhase({ func, extent: rows, grain: 1 });
  },
};

const GRADIENT = ["x", "gamma", "dy", "mean", "rstd", "dx", "dgamma", "dbeta", "shared", "scratch"] as const;
/** Of dy z and of dy. */
const PARTIALS = { sums: 2 };

const layerNormGradKernel: WasmKernel = {
  name: "f32-layer-norm-grad-wasm",
  op: layerNormGrad,
  accepts: () => true,
  emit(module, { inputs }: KernelCall) {
    const columns = inputs[1]!.shape[0]!;
    const groups = rowGroups(elementCount(inputs[0]!) / columns, columns);
    const { rows, groupRows, lastRows, count, strideBytes } = groups;
    const groupBytes = bytesPerGroup(groups, PARTIALS);
    const rowBytes = columns * FLOAT_BYTES;
    const names = ["begin", "end", ...GRADIENT] as const;

    const perRow = module.func(`layer-norm-grad rows ${rows}x${columns}`, names, (p, f) => {
      const { group, left, pass, at, dyAt, sums } = f.named("i32", [
        ...(["group", "left", "pass", "at", "dyAt", "sums"] as const),
      ]);
      const { mean, rstd, shift, slope, z, g, share } = f.named("v128", [
        ...(["mean", "rstd", "shift", "slope", "z", "g", "share"] as const),
      ]);
      const values = f.locals("v128", SWEEP_FLOATS / 4);
      const matrices = [p.x, p.dy, p.dx];
      const zAt = (address: typeof at, offset: number): V128 =>
        mul(sub(v128.load(address, offset), mean), rstd);
      const row = [
        mean.set(v128.load32Splat(p.mean)),
        rstd.set(v128.load32Splat(p.rstd)),
        at.set(p.x),
        dyAt.set(p.dy),
        rowSums(f, columns, [at, dyAt, p.gamma], [shift, slope], (offset) => {
          const gradient = mul(v128.load(dyAt, offset), v128.load(p.gamma, offset));
          return { body: g.set(gradient), terms: [g, mul(g, zAt(at, offset))] };
        }),
        increase(p.gamma, -rowBytes),
        shift.set(mul(shift, share)),
        slope.set(mul(slope, share)),
        sweep(columns, pass, [...matrices, p.gamma, sums], (vectors) => [
          vectors.map(({ offset }, j) => {
            const partial = (index: number): V128 => v128.load(sums, index * strideBytes + offset);
            return [
              z.set(zAt(p.x, offset)),
              g.set(v128.load(p.dy, offset)),
              v128.store(sums, add(partial(0), mul(g, z)), offset),
              v128.store(sums, add(partial(1), g), strideBytes + offset),
              g.set(mul(g, v128.load(p.gamma, offset))),
              values[j]!.set(mul(rstd, sub(sub(g, shift), mul(z, slope)))),
            ];
          }),
          storeRow(p.dx, vectors, values),
        ]),
        [p.gamma, sums].map((vector) => increase(vector, -rowBytes)),
        [p.mean, p.rstd].map((vector) => increase(vector, FLOAT_BYTES)),
      ];
      return [
        share.set(splat(1 / columns)),
        sums.set(i32.add(p.shared, i32.mul(p.begin, groupBytes))),
        matrices.map((matrix) => increase(matrix, i32.mul(p.begin, groupRows * rowBytes))),
        [p.mean, p.rstd].map((vector) => increase(vector, i32.mul(p.begin, groupRows * FLOAT_BYTES))),
        forRange(group, p.begin, p.end, 1, [
          memory.fill(sums, 0, groupBytes),
          forRange(left, 0, i32.select(i32.eq(group, count - 1), lastRows, groupRows), 1, row),
          increase(sums, groupBytes),
        ]),
      ];
    });

    const totals = module.func(`layer-norm-grad totals ${rows}x${columns}`, names, (p, f) => {
      const [dgamma, dbeta] = [f.locals("v128", SWEEP_FLOATS / 4), f.locals("v128", SWEEP_FLOATS / 4)];
      return sweepSlice(columns, p, f.local("i32"), [p.shared, p.dgamma, p.dbeta], (vectors) => [
        addGroups(f, groups, p.shared, vectors, [dgamma, dbeta]),
        storeRow(p.dgamma, vectors, dgamma),
        storeRow(p.dbeta, vectors, dbeta),
      ]);
    });
    return {
      phases: [
        { func: perRow, extent: count, grain: 1 },
        { func: totals, extent: columns, grain: SWEEP_FLOATS },
      ],
      sharedBytes: partialBytes(groups, PARTIALS),
      scratchBytes: 0,
    };
  },
};

export const layerNormKernels: readonly WasmKernel[] = [layerNormKernel, layerNormGradKernel];
