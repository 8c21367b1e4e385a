// Kernels of `conv2d` and its gradients by Winograd's minimal filtering, and the shapes for which it pays. They differ
// from the direct kernels in bits. Of the largest output, the error is at most 1e-6 for F(2x2), as much as a direct
// convolution's, and 4e-6 for F(4x4): test/kernels/wasm/winograd.test.ts holds them to it.

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
import type { ModuleBuilder } from "../emit/emitter.ts";
import type { WasmKernel, WasmRoutine } from "../kernel.ts";
import { suits, TILE_ROWS, type TileWidth } from "../products/tile.ts";
import { emitWinograd, tilesOf, WINOGRAD_PARAMETERS } from "./winograd.ts";
import { emitWinogradFilterGradient } from "./winograd-filter-gradient.ts";
import { WINOGRAD_2X2, WINOGRAD_4X4, type WinogradMatrices } from "./winograd-matrices.ts";

/** Whether Winograd can compute a convolution at all. */
function isMinimal({ KH, KW, strides, dilations }: Conv2dGeometry): boolean {
  return KH === 3 && KW === 3 && [...strides, ...dilations].every((step) => step === 1);
}

/** Fewer channels do not make up for the transforms of images. */
const MINIMUM_CHANNELS = 12;
/** Transforming and reading the filters takes as long as the products of so many tiles, for each of their channels. */
const FILTER_TILES = 1 / 20;
/** F(4x4) adds more for each multiplication, so it must save this much of them. */
const MAXIMUM_SHARE_OF_4X4 = 0.9;

/** A function of the shape alone: every rank must choose alike. Undefined where a direct convolution is faster. */
export function winogradThatPays(geometry: Conv2dGeometry): WinogradMatrices | undefined {
  const { B, C, N, KH, KW, vertical, horizontal } = geometry;
  if (Math.min(C, N) < MINIMUM_CHANNELS) return undefined;
  /** In multiplications for each channel of input and output. */
  const costOf = ({ size, step }: WinogradMatrices): number => {
    const tiles = B * tilesOf(vertical, step) * tilesOf(horizontal, step);
    return size ** 2 * (tiles + FILTER_TILES * Math.max(C, N));
  };
  const larger = costOf(WINOGRAD_4X4) < MAXIMUM_SHARE_OF_4X4 * costOf(WINOGRAD_2X2);
  const best = larger ? WINOGRAD_4X4 : WINOGRAD_2X2;
  return costOf(best) < B * vertical.output * horizontal.output * KH * KW ? best : undefined;
}

/** The routine with the call's operands as its phases' parameters, those that are absent being 0. */
function withOperands(module: ModuleBuilder, routine: WasmRoutine, operands: readonly string[]): WasmRoutine {
  const names: readonly string[] = ["begin", "end", ...operands, "shared", "scratch"];
  return {
    ...routine,
    phases: routine.phases.map((phase) => ({
      ...phase,
      func: module.func(`${operands.join(" ")} of ${phase.func.index}`, names, (p) =>
        phase.func.call(...WINOGRAD_PARAMETERS.map((name) => p[name] ?? 0)),
      ),
    })),
  };
}

export function winogradConv2dKernel(matrices: WinogradMatrices, tileWidth: TileWidth): WasmKernel {
  const geometryOf = ({ inputs, params }: KernelCall<Conv2dParams>): Conv2dGeometry =>
    conv2dGeometry("conv2d", inputs[0]!.shape, inputs[1]!.shape, params);
  return {
    name: `f32-conv2d-winograd-${matrices.name}-${TILE_ROWS}x${tileWidth}-wasm`,
    op: conv2d,
    accepts: (call: KernelCall<Conv2dParams>, target) =>
      suits(tileWidth, target) && isMinimal(geometryOf(call)),
    pays: (call: KernelCall<Conv2dParams>) => winogradThatPays(geometryOf(call)) === matrices,
    emit(module, call: KernelCall<Conv2dParams>) {
      const { B, H, W, C, N, vertical, horizontal } = geometryOf(call);
      const bias = call.inputs.length === 3;
      const routine = emitWinograd(
        module,
        {
          matrices,
          batch: B,
          vertical: { input: H, before: vertical.before, output: vertical.output },
          horizontal: { input: W, before: horizontal.before, output: horizontal.output },
          inputChannels: C,
          outputChannels: N,
          filter: "forward",
          bias,
          relu: call.params.activation === "relu",
          mask: false,
        },
        tileWidth,
      );
      return withOperands(module, routine, ["images", "w", ...(bias ? ["bias"] : []), "output"]);
    },
  };
}

/** dx = the convolution of the bordered dy with the filter turned by half a turn, as in the direct kernel. */
export function winogradInputGradKernel(matrices: WinogradMatrices, tileWidth: TileWidth): WasmKernel {
  const geometryOf = ({ inputs, params }: KernelCall<Conv2dInputGradParams>): Conv2dGeometry =>
    conv2dGeometry("conv2d-input-grad", params.inputShape, inputs[1]!.shape, params);
  return {
    name: `f32-conv2d-input-grad-winograd-${matrices.name}-${TILE_ROWS}x${tileWidth}-wasm`,
    op: conv2dInputGrad,
    accepts: (call: KernelCall<Conv2dInputGradParams>, target) =>
      suits(tileWidth, target) && isMinimal(geometryOf(call)),
    pays: (call: KernelCall<Conv2dInputGradParams>) => winogradThatPays(geometryOf(call)) === matrices,
    emit(module, call: KernelCall<Conv2dInputGradParams>) {
      const { B, H, W, C, KH, KW, N, vertical, horizontal } = geometryOf(call);
      const mask = call.inputs.length === 3;
      const routine = emitWinograd(
        module,
        {
          matrices,
          batch: B,
          vertical: { input: vertical.output, before: KH - 1 - vertical.before, output: H },
          horizontal: { input: horizontal.output, before: KW - 1 - horizontal.before, output: W },
          inputChannels: N,
          outputChannels: C,
          filter: "adjoint",
          bias: false,
          relu: false,
          mask,
        },
        tileWidth,
      );
      return withOperands(module, routine, ["images", "w", ...(mask ? ["mask"] : []), "output"]);
    },
  };
}

export function winogradFilterGradKernel(matrices: WinogradMatrices, tileWidth: TileWidth): WasmKernel {
  const geometryOf = ({ inputs, params }: KernelCall<Conv2dFilterGradParams>): Conv2dGeometry =>
    conv2dGeometry("conv2d-filter-grad", inputs[0]!.shape, params.filterShape, params);
  return {
    name: `f32-conv2d-filter-grad-winograd-${matrices.name}-${TILE_ROWS}x${tileWidth}-wasm`,
    op: conv2dFilterGrad,
    accepts: (call: KernelCall<Conv2dFilterGradParams>, target) =>
      suits(tileWidth, target) && isMinimal(geometryOf(call)),
    pays: (call: KernelCall<Conv2dFilterGradParams>) => winogradThatPays(geometryOf(call)) === matrices,
    emit(module, call: KernelCall<Conv2dFilterGradParams>) {
      const { B, H, W, C, N, vertical, horizontal } = geometryOf(call);
      return emitWinogradFilterGradient(
        module,
        {
          matrices,
          batch: B,
          vertical: { input: H, before: vertical.before, output: vertical.output },
          horizontal: { input: W, before: horizontal.before, output: horizontal.output },
          inputChannels: C,
          outputChannels: N,
        },
        tileWidth,
      );
    },
  };
}

export function winogradKernels(tileWidth: TileWidth): readonly WasmKernel[] {
  return [WINOGRAD_2X2, WINOGRAD_4X4].flatMap((matrices) => [
    winogradConv2dKernel(matrices, tileWidth),
    winogradInputGradKernel(matrices, tileWidth),
    winogradFilterGradKernel(matrices, tileWidth),
  ]);
}
