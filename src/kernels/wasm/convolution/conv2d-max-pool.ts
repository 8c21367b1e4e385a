// Kernels of conv2d-max-pool and its gradients. Forward they hold the convolution of a few images in scratch; backward
// they visit the winners alone.

import type { KernelCall } from "../../kernel.ts";
import {
  conv2dMaxPool,
  conv2dMaxPoolFilterGrad,
  conv2dMaxPoolGeometry,
  conv2dMaxPoolInputGrad,
  type Conv2dMaxPoolFilterGradParams,
  type Conv2dMaxPoolGeometry,
  type Conv2dMaxPoolInputGradParams,
  type Conv2dMaxPoolParams,
} from "../../ops/conv2d-max-pool.ts";
import type { Border } from "./border.ts";
import { conv2dKernel, type ConvolutionLayout } from "./conv2d.ts";
import { singlePhase, type WasmKernel } from "../kernel.ts";
import { emitPooledConvolution } from "./pooled-convolution.ts";
import { isWide, suits, TILE_ROWS, TILE_WIDTHS, type TileWidth } from "../products/tile.ts";
import { emitWinnerFilterGradient, type WinnerSpec } from "./winner-filter-gradient.ts";
import { emitWinnerInputGradient } from "./winner-input-gradient.ts";

/** x with the border that its padding asks for. */
function paddedInput({ H, W, C, vertical, horizontal }: Conv2dMaxPoolGeometry): Border {
  return {
    height: H,
    width: W,
    channels: C,
    top: vertical.before,
    left: horizontal.before,
    outerHeight: H + vertical.before + vertical.after,
    outerWidth: W + horizontal.before + horizontal.after,
  };
}

/** Forward as `layout` convolves: f32-conv2d-max-pool-direct, -turned. */
function forwardKernel(tileWidth: TileWidth, layout: ConvolutionLayout): WasmKernel {
  const convolution = conv2dKernel(tileWidth, layout);
  return {
    name: `f32-conv2d-max-pool-${layout}-${TILE_ROWS}x${tileWidth}-wasm`,
    op: conv2dMaxPool,
    accepts: (_, target) => suits(tileWidth, target),
    pays: (call: KernelCall<Conv2dMaxPoolParams>) => convolution.pays!(call),
    emit: (module, call: KernelCall<Conv2dMaxPoolParams>) =>
      emitPooledConvolution(module, call, tileWidth, layout),
  };
}

function winnerSpec(
  geometry: Conv2dMaxPoolGeometry,
  params: Conv2dMaxPoolFilterGradParams | Conv2dMaxPoolInputGradParams,
): WinnerSpec {
  return {
    batch: geometry.B,
    images: paddedInput(geometry),
    window: [geometry.KH, geometry.KW],
    strides: params.strides,
    poolSize: params.poolSize,
    pooled: [...geometry.pooled, geometry.N],
  };
}

function filterGradKernel(tileWidth: TileWidth): WasmKernel {
  return {
    name: `f32-conv2d-max-pool-filter-grad-winners-12x${tileWidth / 2}-wasm`,
    op: conv2dMaxPoolFilterGrad,
    accepts: (_, target) => suits(tileWidth, target),
    emit(module, { inputs, params }: KernelCall<Conv2dMaxPoolFilterGradParams>) {
      const geometry = conv2dMaxPoolGeometry(
        "conv2d-max-pool-filter-grad",
        inputs[0]!.shape,
        params.filterShape,
        params,
      );
      const { func, scratchBytes } = emitWinnerFilterGradient(
        module,
        winnerSpec(geometry, params),
        isWide(tileWidth),
      );
      return singlePhase({ func, extent: geometry.N, grain: 1, scratchBytes });
    },
  };
}

const inputGradKernel: WasmKernel = {
  name: "f32-conv2d-max-pool-input-grad-winners-wasm",
  op: conv2dMaxPoolInputGrad,
  accepts: () => true,
  emit(module, { inputs, params }: KernelCall<Conv2dMaxPoolInputGradParams>) {
    const geometry = conv2dMaxPoolGeometry(
      "conv2d-max-pool-input-grad",
      params.inputShape,
      inputs[2]!.shape,
      params,
    );
    return emitWinnerInputGradient(module, winnerSpec(geometry, params), inputs.length === 4);
  },
};

export const conv2dMaxPoolKernels: readonly WasmKernel[] = [
  ...TILE_WIDTHS.flatMap((width) => [
    forwardKernel(width, "turned"),
    forwardKernel(width, "direct"),
    filterGradKernel(width),
  ]),
  inputGradKernel,
];
