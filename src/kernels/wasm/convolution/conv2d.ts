// Kernels of `conv2d` and its two gradients: direct convolutions with tiles of 8 or 16 columns, of equal bits.

import type { KernelCall } from "../../kernel.ts";
import {
  conv2d,
  conv2dFilterGrad,
  conv2dGeometry,
  conv2dInputGrad,
  type Conv2dFilterGradParams,
  type Conv2dGeometry,
  type Conv2dInputGradParams,
  type Conv2dParams,
} from "../../ops/conv2d.ts";
import type { WindowAxis } from "../../ops/window.ts";
import { emitConvolution, type ConvolutionSpec } from "./convolution.ts";
import { emitFilterGradient } from "./filter-gradient.ts";
import type { WasmKernel } from "../kernel.ts";
import { adjointReaches, forwardReach, type WindowMove } from "./reach.ts";
import { suits, TILE_ROWS, type TileWidth } from "../products/tile.ts";
import { emitTurnedConvolution, turningPays } from "./turned-convolution.ts";

/** What all three convolutions of a geometry have in common. */
export function extentsOf({
  B,
  H,
  W,
  C,
  KH,
  KW,
  N,
  vertical,
  horizontal,
  strides,
  dilations,
}: Conv2dGeometry) {
  const move = (axis: 0 | 1, input: number, window: number, { output, before }: WindowAxis): WindowMove => {
    return { input, output, before, window, stride: strides[axis], dilation: dilations[axis] };
  };
  return {
    batch: B,
    x: { height: H, width: W, channels: C },
    y: { height: vertical.output, width: horizontal.output, channels: N },
    window: [KH, KW] as const,
    vertical: move(0, H, KH, vertical),
    horizontal: move(1, W, KW, horizontal),
  };
}

export function forwardSpec({ inputs, params }: KernelCall<Conv2dParams>): ConvolutionSpec {
  const geometry = conv2dGeometry("conv2d", inputs[0]!.shape, inputs[1]!.shape, params);
  const { batch, x, y, window, vertical, horizontal } = extentsOf(geometry);
  return {
    ...{ batch, source: x, output: y, window },
    vertical: [forwardReach(vertical)],
    horizontal: [forwardReach(horizontal)],
    adjoint: false,
    third: inputs.length === 3 ? "bias" : undefined,
    relu: params.activation === "relu",
  };
}

function inputGradSpec({ inputs, params }: KernelCall<Conv2dInputGradParams>): ConvolutionSpec {
  const geometry = conv2dGeometry("conv2d-input-grad", params.inputShape, inputs[1]!.shape, params);
  const { batch, x, y, window, vertical, horizontal } = extentsOf(geometry);
  return {
    ...{ batch, source: y, output: x, window },
    vertical: adjointReaches(vertical),
    horizontal: adjointReaches(horizontal),
    adjoint: true,
    third: inputs.length === 3 ? "mask" : undefined,
    relu: false,
  };
}

/** How a tile lies: its lanes are channels of the output, or images. */
const LAYOUTS = {
  direct: { emit: emitConvolution, pays: () => true },
  turned: { emit: emitTurnedConvolution, pays: turningPays },
} as const;
export type ConvolutionLayout = keyof typeof LAYOUTS;

export function conv2dKernel(tileWidth: TileWidth, layout: ConvolutionLayout): WasmKernel {
  const { emit, pays } = LAYOUTS[layout];
  return {
    name: `f32-conv2d-${layout}-${TILE_ROWS}x${tileWidth}-wasm`,
    op: conv2d,
    accepts: (_, target) => suits(tileWidth, target),
    pays: (call: KernelCall<Conv2dParams>) => pays(forwardSpec(call)),
    emit: (module, call: KernelCall<Conv2dParams>) => emit(module, forwardSpec(call), tileWidth),
  };
}

export function conv2dInputGradKernel(tileWidth: TileWidth, layout: ConvolutionLayout): WasmKernel {
  const { emit, pays } = LAYOUTS[layout];
  return {
    name: `f32-conv2d-input-grad-${layout}-${TILE_ROWS}x${tileWidth}-wasm`,
    op: conv2dInputGrad,
    accepts: (_, target) => suits(tileWidth, target),
    pays: (call: KernelCall<Conv2dInputGradParams>) => pays(inputGradSpec(call)),
    emit: (module, call: KernelCall<Conv2dInputGradParams>) => emit(module, inputGradSpec(call), tileWidth),
  };
}

export function conv2dFilterGradKernel(tileWidth: TileWidth): WasmKernel {
  return {
    name: `f32-conv2d-filter-grad-direct-${TILE_ROWS}x${tileWidth}-wasm`,
    op: conv2dFilterGrad,
    accepts: (_, target) => suits(tileWidth, target),
    emit(module, { inputs, params }: KernelCall<Conv2dFilterGradParams>) {
      const geometry = conv2dGeometry("conv2d-filter-grad", inputs[0]!.shape, params.filterShape, params);
      const { batch, x, y, window, vertical, horizontal } = extentsOf(geometry);
      return emitFilterGradient(
        module,
        {
          ...{ batch, source: x, output: y, window },
          vertical: forwardReach(vertical),
          horizontal: forwardReach(horizontal),
        },
        tileWidth,
      );
    },
  };
}
