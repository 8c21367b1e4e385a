// Kernels of pooling and its gradients: one walk over windows for all four, vectors across channels. Units are images.

import type { KernelCall } from "../../kernel.ts";
import type { AnyOp } from "../../op.ts";
import {
  avgPool,
  avgPoolGrad,
  maxPool,
  maxPoolGrad,
  poolGeometry,
  type AvgPoolGradParams,
  type PoolParams,
} from "../../ops/pooling.ts";
import { f32x4, v128, type Body, type V128 } from "../../../wasm/instructions.ts";
import { singlePhase, type WasmKernel } from "../kernel.ts";
import { splat, storeRow } from "../../../wasm/lanes.ts";
import { emitWindowWalk, type WindowContext } from "./window-walk.ts";

interface Pool<P extends PoolParams> {
  readonly op: AnyOp;
  /** In the order of the op's operands and results: of the image's shape, or of the pooled one. */
  readonly operands: (call: KernelCall<P>) => readonly ("image" | "pooled")[];
  /** The result is a gradient of the image: windows add to it. */
  readonly scatters: boolean;
  readonly imageShape: (call: KernelCall<P>) => readonly number[];
  readonly window: (context: WindowContext) => Body;
}

function poolKernel<P extends PoolParams>(pool: Pool<P>): WasmKernel {
  const { op, scatters, window } = pool;
  return {
    name: `f32-${op.name}-wasm`,
    op,
    accepts: () => true,
    emit(module, call: KernelCall<P>) {
      const operands = pool.operands(call);
      const geometry = poolGeometry(op.name, pool.imageShape(call), call.params);
      const { poolSize, strides, padding } = call.params;
      const func = emitWindowWalk(module, {
        key: `${op.name} ${operands.length}`,
        params: { poolSize, strides, padding },
        ...{ geometry, operands, scatters, window },
      });
      return singlePhase({ func, extent: geometry.B, grain: 1 });
    },
  };
}

/** The larger of each pair of lanes; NaN if one is. */
function maximum(a: V128, b: V128): V128 {
  return v128.or(f32x4.pmax(a, b), f32x4.pmax(b, a));
}

const maxPoolKernel = poolKernel<PoolParams>({
  op: maxPool,
  operands: () => ["image", "pooled"],
  scatters: false,
  imageShape: ({ inputs }) => inputs[0]!.shape,
  window({ locals, vectors, pixels: [y], forCells }) {
    const best = locals.locals("v128", vectors.length);
    const value = locals.local("v128");
    return [
      best.map((value) => value.set(splat(-Infinity))),
      forCells(({ addresses: [x], offset: cell, first }) =>
        vectors.map(({ offset }, j) => [
          value.set(v128.load(x!, cell + offset)),
          best[j]!.set(first ? value : maximum(value, best[j]!)),
        ]),
      ),
      storeRow(y!, vectors, best),
    ];
  },
});

const maxPoolGradKernel = poolKernel<PoolParams>({
  op: maxPoolGrad,
  operands: () => ["image", "pooled", "pooled", "image"],
  scatters: true,
  imageShape: ({ inputs }) => inputs[0]!.shape,
  window({ locals, vectors, pixels: [y, dy], forCells }) {
    const count = vectors.length;
    const largest = locals.locals("v128", count);
    /** What no cell has got yet: the first maximum takes it all. */
    const left = locals.locals("v128", count);
    const isLargest = locals.locals("v128", count);
    const sums = locals.locals("v128", count);
    return [
      vectors.map(({ offset }, j) => largest[j]!.set(v128.load(y!, offset))),
      vectors.map(({ offset }, j) => left[j]!.set(v128.load(dy!, offset))),
      forCells(({ addresses: [x, dx], offset: cell, seen }) => [
        vectors.map(({ offset }, j) =>
          isLargest[j]!.set(f32x4.eq(v128.load(x!, cell + offset), largest[j]!)),
        ),
        vectors.map(({ offset }, j) => {
          const part = v128.and(left[j]!, isLargest[j]!);
          return sums[j]!.set(seen ? f32x4.add(v128.load(dx!, cell + offset), part) : part);
        }),
        left.map((local, j) => local.set(v128.andNot(local, isLargest[j]!))),
        storeRow(dx!, vectors, sums, cell),
      ]),
    ];
  },
});

const avgPoolKernel = poolKernel<PoolParams>({
  op: avgPool,
  operands: () => ["image", "pooled"],
  scatters: false,
  imageShape: ({ inputs }) => inputs[0]!.shape,
  window({ locals, vectors, pixels: [y], cellCount, forCells }) {
    const sums = locals.locals("v128", vectors.length);
    const share = locals.local("v128");
    return [
      share.set(splat(1 / cellCount)),
      sums.map((sum) => sum.set(v128.zero)),
      forCells(({ addresses: [x], offset: cell, first }) =>
        vectors.map(({ offset }, j) => {
          const value = v128.load(x!, cell + offset);
          return sums[j]!.set(first ? value : f32x4.add(sums[j]!, value));
        }),
      ),
      sums.map((sum) => sum.set(f32x4.mul(sum, share))),
      storeRow(y!, vectors, sums),
    ];
  },
});

const avgPoolGradKernel = poolKernel<AvgPoolGradParams>({
  op: avgPoolGrad,
  operands: ({ inputs }) => (inputs.length === 1 ? ["pooled", "image"] : ["pooled", "image", "image"]),
  scatters: true,
  imageShape: ({ params }) => params.inputShape,
  window({ locals, vectors, pixels: [dy], cellCount, forCells }) {
    const shares = locals.locals("v128", vectors.length);
    const sums = locals.locals("v128", vectors.length);
    const factor = locals.local("v128");
    return [
      factor.set(splat(1 / cellCount)),
      vectors.map(({ offset }, j) => shares[j]!.set(f32x4.mul(v128.load(dy!, offset), factor))),
      forCells(({ addresses, offset: cell, seen }) => {
        const dx = addresses.at(-1)!;
        const mask = addresses.length === 2 ? addresses[0] : undefined;
        return [
          vectors.map(({ offset }, j) => {
            const share = shares[j]!;
            const sum = seen ? f32x4.add(v128.load(dx, cell + offset), share) : share;
            // What an earlier window added has been masked before.
            return sums[j]!.set(
              mask === undefined ? sum : v128.and(sum, f32x4.gt(v128.load(mask, cell + offset), v128.zero)),
            );
          }),
          storeRow(dx, vectors, sums, cell),
        ];
      }),
    ];
  },
});

export const poolingKernels: readonly WasmKernel[] = [
  maxPoolKernel,
  maxPoolGradKernel,
  avgPoolKernel,
  avgPoolGradKernel,
];
