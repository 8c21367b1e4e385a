// Reference kernels of depthwise convolution and its gradients: one walk over all products x w that make up y; each
// kernel knows two of the three tensors and sums into the third.

import type { ReferenceKernel } from "../kernel.ts";
import type { Conv2dParams } from "../ops/conv2d.ts";
import {
  depthwiseConv2d,
  depthwiseConv2dFilterGrad,
  depthwiseConv2dInputGrad,
  depthwiseGeometry,
  type DepthwiseFilterGradParams,
  type DepthwiseGeometry,
  type DepthwiseInputGradParams,
} from "../ops/depthwise-conv2d.ts";
import { inDouble } from "./in-double.ts";
import { applyMask } from "./mask.ts";

/** Calls `visit` with the flat indices of x, w and y for every product x[x] w[w] that is summed into y[y]. */
function forEachProduct(geometry: DepthwiseGeometry, visit: (x: number, w: number, y: number) => void): void {
  const { B, H, W, C, KH, KW, M, N, vertical, horizontal, strides, dilations } = geometry;
  for (let b = 0; b < B; b++)
    for (let oh = 0; oh < vertical.output; oh++)
      for (let ow = 0; ow < horizontal.output; ow++)
        for (let kh = 0; kh < KH; kh++)
          for (let kw = 0; kw < KW; kw++) {
            const h = oh * strides[0] + kh * dilations[0] - vertical.before;
            const w = ow * strides[1] + kw * dilations[1] - horizontal.before;
            if (h < 0 || h >= H || w < 0 || w >= W) continue;
            for (let n = 0; n < N; n++)
              visit(
                ((b * H + h) * W + w) * C + Math.floor(n / M),
                (kh * KW + kw) * N + n,
                ((b * vertical.output + oh) * horizontal.output + ow) * N + n,
              );
          }
}

export const depthwiseConv2dReference: ReferenceKernel<Conv2dParams> = {
  op: depthwiseConv2d,
  run({ inputs, params }, [x, w, bias], [y]) {
    const geometry = depthwiseGeometry("depthwise-conv2d", inputs[0]!.shape, inputs[1]!.shape, params);
    inDouble(y!, (sums) => {
      forEachProduct(geometry, (xi, wi, yi) => {
        sums[yi]! += x![xi]! * w![wi]!;
      });
      for (let i = 0; i < sums.length; i++) {
        const sum = sums[i]! + (bias === undefined ? 0 : bias[i % geometry.N]!);
        sums[i] = params.activation === "relu" ? Math.max(sum, 0) : sum;
      }
    });
  },
};

export const depthwiseConv2dInputGradReference: ReferenceKernel<DepthwiseInputGradParams> = {
  op: depthwiseConv2dInputGrad,
  run({ inputs, params }, [dy, w, mask], [dx]) {
    const op = "depthwise-conv2d-input-grad";
    const geometry = depthwiseGeometry(op, params.inputShape, inputs[1]!.shape, params);
    inDouble(dx!, (sums) => {
      forEachProduct(geometry, (xi, wi, yi) => {
        sums[xi]! += dy![yi]! * w![wi]!;
      });
      applyMask(sums, mask);
    });
  },
};

export const depthwiseConv2dFilterGradReference: ReferenceKernel<DepthwiseFilterGradParams> = {
  op: depthwiseConv2dFilterGrad,
  run({ inputs, params }, [x, dy], [dw]) {
    const op = "depthwise-conv2d-filter-grad";
    const geometry = depthwiseGeometry(op, inputs[0]!.shape, params.filterShape, params);
    inDouble(dw!, (sums) => {
      forEachProduct(geometry, (xi, wi, yi) => {
        sums[wi]! += x![xi]! * dy![yi]!;
      });
    });
  },
};
