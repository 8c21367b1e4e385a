// Kernels of batch normalisation, in training and in inference. Training reads x twice: sums over groups of rows, then
// every element.

import type { KernelCall } from "../../kernel.ts";
import { batchNorm, batchNormInference, type BatchNormParams } from "../../ops/batch-norm.ts";
import type { Activation } from "../../ops/elementwise.ts";
import { affine, groupsOf } from "./batch-norm-affine.ts";
import { batchNormGradKernel } from "./batch-norm-grad.ts";
import { bytesPerGroup, groupSumsPhase, partialBytes, type RowGroups } from "../emit/column-sums.ts";
import { increase, repeat, type ModuleBuilder } from "../../../wasm/emitter.ts";
import { f32x4, i32, v128, type Body, type V128 } from "../../../wasm/instructions.ts";
import type { Phase, WasmKernel } from "../kernel.ts";
import {
  FLOAT_BYTES,
  splat,
  storeRow,
  sweep,
  SWEEP_FLOATS,
  sweepSlice,
  type Vector,
} from "../../../wasm/lanes.ts";
import { rowsPhase } from "../emit/row-blocks.ts";

const { add, sub, mul, div } = f32x4;

const FORWARD = ["x", "gamma", "beta", "y", "mean", "variance", "rstd"] as const;
const INFERENCE = ["x", "gamma", "beta", "mean", "variance", "y", "rstd"] as const;

/** Sums of differences and of their squares; and the pivots. */
const MOMENTS = { sums: 2, others: 1 };
/** Rows whose mean is a group's pivot: one might lie far out, and the variance lose digits. */
const PIVOT_ROWS = 8;

/**
 * Partial sums of the differences from the group's pivot, the mean of its first rows, and of their squares: they are
 * of the size of the deviations, however large the mean is.
 */
function momentsPhase(module: ModuleBuilder, groups: RowGroups): Phase {
  const { columns, lastRows, strideBytes } = groups;
  const pivotRows = Math.min(PIVOT_ROWS, lastRows);
  return groupSumsPhase(module, "batch-norm", groups, MOMENTS, FORWARD, (p, f) => {
    const { pivot, from, pass } = f.named("i32", ["pivot", "from", "pass"]);
    const means = f.locals("v128", SWEEP_FLOATS / 4);
    const pivots = f.locals("v128", 2);
    const differences = f.locals("v128", 2);
    return {
      matrices: [p.x],
      vectors: [pivot],
      before: (sums) => [
        from.set(p.x),
        pivot.set(i32.add(sums, MOMENTS.sums * strideBytes)),
        sweep(columns, pass, [from, pivot], (vectors) => {
          const rows = Array.from({ length: pivotRows }, (_, row) => row * columns * FLOAT_BYTES);
          return [
            vectors.map(({ offset }, j) => {
              const sum = rows.map((row) => v128.load(from, row + offset)).reduce(add);
              return means[j]!.set(mul(sum, splat(1 / pivotRows)));
            }),
            vectors.map(({ offset }, j) => v128.store(pivot, means[j]!, offset)),
          ];
        }),
        pivot.set(i32.add(sums, MOMENTS.sums * strideBytes)),
      ],
      columns: (load, j) => pivots[j]!.set(load(pivot)),
      terms(load, j) {
        const d = differences[j]!;
        return { body: d.set(sub(load(p.x), pivots[j]!)), terms: [d, mul(d, d)] };
      },
    };
  });
}

/**
 * From the groups' sums s, q of differences from their pivots: the sum of x - r is s + n (pivot - r), and that of
 * (x - mean)^2 is q + e (2 s + n e) with e = pivot - mean.
 */
function statisticsPhase(module: ModuleBuilder, groups: RowGroups, epsilon: number): Phase {
  const { rows, columns, groupRows, lastRows, count, strideBytes } = groups;
  const names = ["begin", "end", ...FORWARD, "shared", "scratch"] as const;
  const func = module.func(`batch-norm statistics ${rows}x${columns} ${epsilon}`, names, (p, f) => {
    const { remaining, at, group } = f.named("i32", ["remaining", "at", "group"]);
    const locals = () => f.locals("v128", SWEEP_FLOATS / 4);
    const [references, means, totals, variances, rstds] = [locals(), locals(), locals(), locals(), locals()];
    const away = f.local("v128");
    /** totals[j] = the sum over the groups of `term`. */
    const sumOf = (
      vectors: readonly Vector[],
      term: (
        j: number,
        n: V128,
        partial: { readonly s: V128; readonly q: V128; readonly pivot: V128 },
      ) => V128,
    ): Body => {
      const ofGroup = (n: number): Body => [
        vectors.map(({ offset }, j) => {
          const [s, q, pivot] = [0, 1, 2].map((row) => v128.load(at, row * strideBytes + offset));
          return totals[j]!.set(add(totals[j]!, term(j, splat(n), { s: s!, q: q!, pivot: pivot! })));
        }),
        increase(at, bytesPerGroup(groups, MOMENTS)),
      ];
      return [
        vectors.map((_, j) => totals[j]!.set(v128.zero)),
        at.set(p.shared),
        repeat(group, count - 1, ofGroup(groupRows)),
        ofGroup(lastRows),
      ];
    };
    return sweepSlice(columns, p, remaining, [p.mean, p.variance, p.rstd, p.shared], (vectors) => [
      vectors.map(({ offset }, j) => references[j]!.set(v128.load(p.shared, 2 * strideBytes + offset))),
      sumOf(vectors, (j, n, { s, pivot }) => add(s, mul(n, sub(pivot, references[j]!)))),
      vectors.map((_, j) => means[j]!.set(add(references[j]!, div(totals[j]!, splat(rows))))),
      sumOf(vectors, (j, n, { s, q, pivot }) =>
        add(q, mul(away.tee(sub(pivot, means[j]!)), add(add(s, s), mul(n, away)))),
      ),
      vectors.map((_, j) => [
        variances[j]!.set(div(f32x4.pmax(totals[j]!, v128.zero), splat(rows))),
        rstds[j]!.set(reciprocalRoot(variances[j]!, epsilon)),
      ]),
      storeRow(p.mean, vectors, means),
      storeRow(p.variance, vectors, variances),
      storeRow(p.rstd, vectors, rstds),
    ]);
  });
  return { func, extent: columns, grain: SWEEP_FLOATS };
}

/** 1 / sqrt(variance + epsilon) */
function reciprocalRoot(variance: V128, epsilon: number): V128 {
  return div(splat(1), f32x4.sqrt(add(variance, splat(epsilon))));
}

function normalisePhase(
  module: ModuleBuilder,
  { rows, columns }: RowGroups,
  names: readonly ("x" | "gamma" | "beta" | "y" | "mean" | "rstd" | "variance" | "shared")[],
  activation: Activation,
): Phase {
  const key = `batch-norm normalise ${activation} ${names.join()}`;
  return rowsPhase(module, key, [rows, columns], names, (p, f) => {
    const { vectors, columns: columnsOf, centred, result } = affine(f, p);
    return {
      sources: [p.x],
      target: p.y,
      vectors,
      columns: columnsOf,
      element(load, j) {
        const y = result(centred(load(p.x), j), j);
        return { value: activation === "relu" ? f32x4.pmax(y, v128.zero) : y };
      },
    };
  });
}

const batchNormKernel: WasmKernel = {
  name: "f32-batch-norm-wasm",
  op: batchNorm,
  accepts: () => true,
  emit(module, call: KernelCall<BatchNormParams>) {
    const { epsilon, activation } = call.params;
    const groups = groupsOf(call);
    return {
      phases: [
        momentsPhase(module, groups),
        statisticsPhase(module, groups, epsilon),
        normalisePhase(module, groups, [...FORWARD, "shared"], activation),
      ],
      sharedBytes: partialBytes(groups, MOMENTS),
      scratchBytes: 0,
    };
  },
};

const batchNormInferenceKernel: WasmKernel = {
  name: "f32-batch-norm-inference-wasm",
  op: batchNormInference,
  accepts: () => true,
  emit(module, call: KernelCall<BatchNormParams>) {
    const { epsilon, activation } = call.params;
    const groups = groupsOf(call);
    const { columns } = groups;
    const names = ["begin", "end", ...INFERENCE, "scratch"] as const;
    const func = module.func(`batch-norm rstd ${columns} ${epsilon}`, names, (p, f) => {
      const rstds = f.locals("v128", SWEEP_FLOATS / 4);
      return sweepSlice(columns, p, f.local("i32"), [p.variance, p.rstd], (vectors) => [
        vectors.map(({ offset }, j) => rstds[j]!.set(reciprocalRoot(v128.load(p.variance, offset), epsilon))),
        storeRow(p.rstd, vectors, rstds),
      ]);
    });
    return {
      phases: [
        { func, extent: columns, grain: SWEEP_FLOATS },
        normalisePhase(module, groups, INFERENCE, activation),
      ],
      sharedBytes: 0,
      scratchBytes: 0,
    };
  },
};

export const batchNormKernels: readonly WasmKernel[] = [
  batchNormKernel,
  batchNormInferenceKernel,
  batchNormGradKernel,
];
