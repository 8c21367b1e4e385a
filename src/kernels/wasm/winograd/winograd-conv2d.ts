// Kernels of `conv2d` and its gradients by Winograd's minimal filtering, and the shapes for which it pays. They differ
// from the direct kernels in bits. Of the largest output, the error is at most 1e-6 for F(2x2), as much as a direct
// convolution's, and 4e-6 for F(4x4): test/kernels/wasm/winograd.test.ts holds them to it.

import type { KernelCall } from "../../kernel.ts";
import type { Op } from "../../op.ts";
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
import type { ModuleBuilder } from "../../../wasm/emitter.ts";
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

interface Kind<P extends object> {
  readonly op: Op<P>;
  readonly geometryOf: (call: KernelCall<P>) => Conv2dGeometry;
  readonly emit: (
    module: ModuleBuilder,
    call: KernelCall<P>,
    geometry: Conv2dGeometry,
    matrices: WinogradMatrices,
    tileWidth: TileWidth,
  ) => WasmRoutine;
}

function winogradKernel<P extends object>({ op, geometryOf, emit }: Kind<P>) {
  return (matrices: WinogradMatrices, tileWidth: TileWidth): WasmKernel => ({
    name: `f32-${op.name}-winograd-${matrices.name}-${TILE_ROWS}x${tileWidth}-wasm`,
    op,
    accepts: (call: KernelCall<P>, target) => suits(tileWidth, target) && isMinimal(geometryOf(call)),
    pays: (call: KernelCall<P>) => winogradThatPays(geometryOf(call)) === matrices,
    emit: (module, call: KernelCall<P>) => emit(module, call, geometryOf(call), matrices, tileWidth),
  });
}

export const winogradConv2dKernel = winogradKernel<Conv2dParams>({
  op: conv2d,
  geometryOf: ({ inputs, params }) => conv2dGeometry("conv2d", inputs[0]!.shape, inputs[1]!.shape, params),
  emit(module, { inputs, params }, { B, H, W, C, N, vertical, horizontal }, matrices, tileWidth) {
    const bias = inputs.length === 3;
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
        relu: params.activation === "relu",
        mask: false,
      },
      tileWidth,
    );
    return withOperands(module, routine, ["images", "w", ...(bias ? ["bias"] : []), "output"]);
  },
});

/** dx = the convolution of the bordered dy with the filter turned by half a turn, as in the direct kernel. */
export const winogradInputGradKernel = winogradKernel<Conv2dInputGradParams>({
  op: conv2dInputGrad,
  geometryOf: ({ inputs, params }) =>
    conv2dGeometry("conv2d-input-grad", params.inputShape, inputs[1]!.shape, params),
  emit(module, { inputs }, { B, H, W, C, KH, KW, N, vertical, horizontal }, matrices, tileWidth) {
    const mask = inputs.length === 3;
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
});

export const winogradFilterGradKernel = winogradKernel<Conv2dFilterGradParams>({
  op: conv2dFilterGrad,
  geometryOf: ({ inputs, params }) =>
    conv2dGeometry("conv2d-filter-grad", inputs[0]!.shape, params.filterShape, params),
  emit: (module, _, { B, H, W, C, N, vertical, horizontal }, matrices, tileWidth) =>
    emitWinogradFilterGradient(
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
    ),
});

export function winogradKernels(tileWidth: TileWidth): readonly WasmKernel[] {
  return [WINOGRAD_2X2, WINOGRAD_4X4].flatMap((matrices) => [
    winogradConv2dKernel(matrices, tileWidth),
    winogradInputGradKernel(matrices, tileWidth),
    winogradFilterGradKernel(matrices, tileWidth),
  ]);
}
