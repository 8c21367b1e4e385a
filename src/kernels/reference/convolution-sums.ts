// Reference kernels of a convolution and its two gradients: one walk over all products x w that make up y; each kernel
// knows two of the three tensors and sums into the third.

import type { ReferenceKernel } from "../kernel.ts";
import type { Op } from "../op.ts";
import type {
  Conv2dFilterGradParams,
  Conv2dGeometry,
  Conv2dInputGradParams,
  Conv2dParams,
  ConvWindow,
} from "../ops/conv2d.ts";
import { inDouble } from "./in-double.ts";
import { applyMask } from "./mask.ts";

/** Takes indices. */
type Visit = (x: number, w: number, y: number) => void;

export interface ConvolutionKind<G extends Conv2dGeometry> {
  readonly forward: Op<Conv2dParams>;
  readonly inputGrad: Op<Conv2dInputGradParams>;
  readonly filterGrad: Op<Conv2dFilterGradParams>;
  readonly geometryOf: (op: string, x: readonly number[], w: readonly number[], window: ConvWindow) => G;
  /**
   * Visits the flat indices of x, w and y for every product x[x] w[w] that is summed into y[y], of one pixel
   * (b H + h) W + w, one tap kh KW + kw and one output (b OH + oh) OW + ow.
   */
  readonly forEachChannel: (geometry: G, pixel: number, tap: number, output: number, visit: Visit) => void;
}

export function convolutionReferences<G extends Conv2dGeometry>({
  forward,
  inputGrad,
  filterGrad,
  geometryOf,
  forEachChannel,
}: ConvolutionKind<G>): {
  readonly forward: ReferenceKernel<Conv2dParams>;
  readonly inputGrad: ReferenceKernel<Conv2dInputGradParams>;
  readonly filterGrad: ReferenceKernel<Conv2dFilterGradParams>;
} {
  const forEachProduct = (geometry: G, visit: Visit): void => {
    forEachTap(geometry, (pixel, tap, output) => {
      forEachChannel(geometry, pixel, tap, output, visit);
    });
  };
  return {
    forward: {
      op: forward,
      run({ inputs, params }, [x, w, bias], [y]) {
        const geometry = geometryOf(forward.name, inputs[0]!.shape, inputs[1]!.shape, params);
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
    },
    inputGrad: {
      op: inputGrad,
      run({ inputs, params }, [dy, w, mask], [dx]) {
        const geometry = geometryOf(inputGrad.name, params.inputShape, inputs[1]!.shape, params);
        inDouble(dx!, (sums) => {
          forEachProduct(geometry, (xi, wi, yi) => {
            sums[xi]! += dy![yi]! * w![wi]!;
          });
          applyMask(sums, mask);
        });
      },
    },
    filterGrad: {
      op: filterGrad,
      run({ inputs, params }, [x, dy], [dw]) {
        const geometry = geometryOf(filterGrad.name, inputs[0]!.shape, params.filterShape, params);
        inDouble(dw!, (sums) => {
          forEachProduct(geometry, (xi, wi, yi) => {
            sums[wi]! += x![xi]! * dy![yi]!;
          });
        });
      },
    },
  };
}

/** Visits every tap of every output that lies inside the image. */
function forEachTap(
  geometry: Conv2dGeometry,
  visit: (pixel: number, tap: number, output: number) => void,
): void {
  const { B, H, W, KH, KW, vertical, horizontal, strides, dilations } = geometry;
  for (let b = 0; b < B; b++)
    for (let oh = 0; oh < vertical.output; oh++)
      for (let ow = 0; ow < horizontal.output; ow++)
        for (let kh = 0; kh < KH; kh++)
          for (let kw = 0; kw < KW; kw++) {
            const h = oh * strides[0] + kh * dilations[0] - vertical.before;
            const w = ow * strides[1] + kw * dilations[1] - horizontal.before;
            if (h < 0 || h >= H || w < 0 || w >= W) continue;
            const output = (b * vertical.output + oh) * horizontal.output + ow;
            visit((b * H + h) * W + w, kh * KW + kw, output);
          }
}
