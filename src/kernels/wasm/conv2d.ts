// Kernels of `conv2d` and its two gradients: direct convolutions with tiles of 8 or 16 columns, of equal bits.

import type { KernelCall } from "../kernel.ts";
import {
  conv2d,
  conv2dFilterGrad,
  conv2dGeometry,
  conv2dInputGrad,
  type Conv2dFilterGradParams,
  type Conv2dGeometry,
  type Conv2dInputGradParams,
  type Conv2dParams,
} from "../ops/conv2d.ts";
import type { Border } from "./border.ts";
import { emitConvolution } from "./convolution.ts";
import { emitFilterGradient } from "./filter-gradient.ts";
import { singlePhase, type WasmKernel } from "./kernel.ts";
import { suits, TILE_ROWS, type TileWidth } from "./tile.ts";

/** x with the border that its padding asks for. */
export function paddedInput({ H, W, C, vertical, horizontal }: Conv2dGeometry): Border {
  return {
    height: H,
    width: W,
    channels: C,
    top: vertical.before,
    left: horizontal.before,
    outerHeight: H + vertical.before + vertical.after,
    outerWidth: W + horizontal.before + horizontal.after,
    spread: [1, 1],
  };
}

export function conv2dKernel(tileWidth: TileWidth): WasmKernel {
  return {
    name: `f32-conv2d-direct-${TILE_ROWS}x${tileWidth}-wasm`,
    op: conv2d,
    accepts: (_, target) => suits(tileWidth, target),
    emit(module, { inputs, params }: KernelCall<Conv2dParams>) {
      const geometry = conv2dGeometry("conv2d", inputs[0]!.shape, inputs[1]!.shape, params);
      const bias = inputs.length === 3;
      const { func: convolution, scratchBytes } = emitConvolution(
        module,
        {
          images: paddedInput(geometry),
          window: [geometry.KH, geometry.KW],
          strides: params.strides,
          output: [geometry.vertical.output, geometry.horizontal.output, geometry.N],
          filter: "forward",
          bias,
          relu: params.activation === "relu",
        },
        tileWidth,
      );
      const routine = { extent: geometry.B, grain: 1, scratchBytes };
      if (bias) return singlePhase({ func: convolution, ...routine });
      const names = ["begin", "end", "x", "w", "y", "scratch"] as const;
      const func = module.func(`conv2d of ${convolution.index}`, names, (p) =>
        convolution.call(p.begin, p.end, p.x, p.w, 0, p.y, p.scratch),
      );
      return singlePhase({ func, ...routine });
    },
  };
}

/**
 * dx = the convolution of dy, its pixels spread by the strides and bordered, with the filter turned by half a turn:
 * Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016, section 4.
 */
export function conv2dInputGradKernel(tileWidth: TileWidth): WasmKernel {
  return {
    name: `f32-conv2d-input-grad-direct-${TILE_ROWS}x${tileWidth}-wasm`,
    op: conv2dInputGrad,
    accepts: ({ inputs }, target) => inputs.length === 2 && suits(tileWidth, target),
    emit(module, { inputs, params }: KernelCall<Conv2dInputGradParams>) {
      const { B, H, W, C, KH, KW, N, vertical, horizontal } = conv2dGeometry(
        "conv2d-input-grad",
        params.inputShape,
        inputs[1]!.shape,
        params,
      );
      const images: Border = {
        height: vertical.output,
        width: horizontal.output,
        channels: N,
        top: KH - 1 - vertical.before,
        left: KW - 1 - horizontal.before,
        outerHeight: H + KH - 1,
        outerWidth: W + KW - 1,
        spread: params.strides,
      };
      const { func: convolution, scratchBytes } = emitConvolution(
        module,
        {
          images,
          window: [KH, KW],
          strides: [1, 1],
          output: [H, W, C],
          filter: "adjoint",
          bias: false,
          relu: false,
        },
        tileWidth,
      );
      const names = ["begin", "end", "dy", "w", "dx", "scratch"] as const;
      const func = module.func(`conv2d-input-grad of ${convolution.index}`, names, (p) =>
        convolution.call(p.begin, p.end, p.dy, p.w, 0, p.dx, p.scratch),
      );
      return singlePhase({ func, extent: B, grain: 1, scratchBytes });
    },
  };
}

export function conv2dFilterGradKernel(tileWidth: TileWidth): WasmKernel {
  return {
    name: `f32-conv2d-filter-grad-direct-${TILE_ROWS}x${tileWidth}-wasm`,
    op: conv2dFilterGrad,
    accepts: (_, target) => suits(tileWidth, target),
    emit(module, { inputs, params }: KernelCall<Conv2dFilterGradParams>) {
      const geometry = conv2dGeometry("conv2d-filter-grad", inputs[0]!.shape, params.filterShape, params);
      const { func, tiles, scratchBytes } = emitFilterGradient(
        module,
        {
          batch: geometry.B,
          images: paddedInput(geometry),
          window: [geometry.KH, geometry.KW],
          strides: params.strides,
          output: [geometry.vertical.output, geometry.horizontal.output, geometry.N],
        },
        tileWidth,
      );
      return singlePhase({ func, extent: tiles, grain: 1, scratchBytes });
    },
  };
}
