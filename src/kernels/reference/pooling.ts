// Reference kernels of pooling: one walk over the cells of all windows, in row-major order within a window.

import type { ReferenceKernel } from "../kernel.ts";
import {
  avgPool,
  avgPoolGrad,
  maxPool,
  maxPoolGrad,
  poolGeometry,
  type AvgPoolGradParams,
  type PoolParams,
} from "../ops/pooling.ts";
import { inDouble } from "./in-double.ts";
import { applyMask } from "./mask.ts";

/** Calls `visit` with the flat indices of each cell x of the image and each window y that holds it. */
function forEachCell(
  inputShape: readonly number[],
  params: PoolParams,
  visit: (x: number, y: number) => void,
): void {
  const { B, H, W, C, vertical, horizontal } = poolGeometry("pool", inputShape, params);
  const [poolHeight, poolWidth] = params.poolSize;
  for (let b = 0; b < B; b++)
    for (let oh = 0; oh < vertical.output; oh++)
      for (let ow = 0; ow < horizontal.output; ow++)
        for (let c = 0; c < C; c++)
          for (let ph = 0; ph < poolHeight; ph++)
            for (let pw = 0; pw < poolWidth; pw++) {
              const h = oh * params.strides[0] + ph - vertical.before;
              const w = ow * params.strides[1] + pw - horizontal.before;
              if (h < 0 || h >= H || w < 0 || w >= W) continue;
              visit(
                ((b * H + h) * W + w) * C + c,
                ((b * vertical.output + oh) * horizontal.output + ow) * C + c,
              );
            }
}

export const maxPoolReference: ReferenceKernel<PoolParams> = {
  op: maxPool,
  run({ inputs, params }, [x], [y]) {
    y!.fill(-Infinity);
    forEachCell(inputs[0]!.shape, params, (xi, yi) => {
      y![yi] = Math.max(y![yi]!, x![xi]!);
    });
  },
};

export const maxPoolGradReference: ReferenceKernel<PoolParams> = {
  op: maxPoolGrad,
  run({ inputs, params }, [x, y, dy], [dx]) {
    const given = new Uint8Array(dy!.length);
    inDouble(dx!, (sums) => {
      forEachCell(inputs[0]!.shape, params, (xi, yi) => {
        if (given[yi] === 1 || x![xi] !== y![yi]) return;
        given[yi] = 1;
        sums[xi]! += dy![yi]!;
      });
    });
  },
};

/** By window: how many of its cells lie inside the image. */
function cellCounts(inputShape: readonly number[], params: PoolParams, windows: number): Uint32Array {
  const counts = new Uint32Array(windows);
  forEachCell(inputShape, params, (_, yi) => {
    counts[yi]! += 1;
  });
  return counts;
}

export const avgPoolReference: ReferenceKernel<PoolParams> = {
  op: avgPool,
  run({ inputs, params }, [x], [y]) {
    const counts = cellCounts(inputs[0]!.shape, params, y!.length);
    inDouble(y!, (sums) => {
      forEachCell(inputs[0]!.shape, params, (xi, yi) => {
        sums[yi]! += x![xi]!;
      });
      for (let i = 0; i < sums.length; i++) sums[i]! /= counts[i]!;
    });
  },
};

export const avgPoolGradReference: ReferenceKernel<AvgPoolGradParams> = {
  op: avgPoolGrad,
  run({ params }, [dy, mask], [dx]) {
    const counts = cellCounts(params.inputShape, params, dy!.length);
    inDouble(dx!, (sums) => {
      forEachCell(params.inputShape, params, (xi, yi) => {
        sums[xi]! += dy![yi]! / counts[yi]!;
      });
      applyMask(sums, mask);
    });
  },
};
