// Kernels of `conv2d` and its gradients where a window is one pixel and the stride is one: matrix products over the
// pixels of the whole batch.

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
import type { ModuleBuilder } from "../../../wasm/emitter.ts";
import { emitGemm, type GemmSpec } from "../products/gemm.ts";
import { singlePhase, type WasmKernel, type WasmRoutine } from "../kernel.ts";
import { suits, TILE_ROWS, type TileWidth } from "../products/tile.ts";

function isPointwise({ KH, KW, strides }: Conv2dGeometry): boolean {
  return [KH, KW, ...strides].every((extent) => extent === 1);
}

/** With fewer channels to sum over the direct convolution, which does not cut the reduction into blocks, is as fast. */
const MINIMUM_BLOCKED_CHANNELS = 512;

/** Pixels of the batch. */
function pixelsOf({ B, H, W }: Conv2dGeometry): number {
  return B * H * W;
}

const PLAIN = { transposeA: false, transposeB: false, bias: false, relu: false, mask: false } as const;

function emitProduct(module: ModuleBuilder, spec: GemmSpec, tileWidth: TileWidth): WasmRoutine {
  return singlePhase({ ...emitGemm(module, spec, tileWidth), grain: 1 });
}

export function pointwiseConv2dKernel(tileWidth: TileWidth): WasmKernel {
  const geometryOf = ({ inputs, params }: KernelCall<Conv2dParams>) =>
    conv2dGeometry("conv2d", inputs[0]!.shape, inputs[1]!.shape, params);
  return {
    name: `f32-conv2d-pointwise-${TILE_ROWS}x${tileWidth}-wasm`,
    op: conv2d,
    accepts: (call: KernelCall<Conv2dParams>, target) =>
      suits(tileWidth, target) && isPointwise(geometryOf(call)),
    pays: (call: KernelCall<Conv2dParams>) => geometryOf(call).C >= MINIMUM_BLOCKED_CHANNELS,
    emit(module, call: KernelCall<Conv2dParams>) {
      const geometry = geometryOf(call);
      const shape = { m: pixelsOf(geometry), n: geometry.N, k: geometry.C };
      const fused = { bias: call.inputs.length === 3, relu: call.params.activation === "relu" };
      return emitProduct(module, { ...PLAIN, ...shape, ...fused }, tileWidth);
    },
  };
}

export function pointwiseInputGradKernel(tileWidth: TileWidth): WasmKernel {
  const geometryOf = ({ inputs, params }: KernelCall<Conv2dInputGradParams>) =>
    conv2dGeometry("conv2d-input-grad", params.inputShape, inputs[1]!.shape, params);
  return {
    name: `f32-conv2d-input-grad-pointwise-${TILE_ROWS}x${tileWidth}-wasm`,
    op: conv2dInputGrad,
    accepts: (call: KernelCall<Conv2dInputGradParams>, target) =>
      suits(tileWidth, target) && isPointwise(geometryOf(call)),
    pays: (call: KernelCall<Conv2dInputGradParams>) => geometryOf(call).N >= MINIMUM_BLOCKED_CHANNELS,
    emit(module, call: KernelCall<Conv2dInputGradParams>) {
      const geometry = geometryOf(call);
      const shape = { m: pixelsOf(geometry), n: geometry.C, k: geometry.N };
      const mask = call.inputs.length === 3;
      return emitProduct(module, { ...PLAIN, ...shape, transposeB: true, mask }, tileWidth);
    },
  };
}

export function pointwiseFilterGradKernel(tileWidth: TileWidth): WasmKernel {
  const geometryOf = ({ inputs, params }: KernelCall<Conv2dFilterGradParams>) =>
    conv2dGeometry("conv2d-filter-grad", inputs[0]!.shape, params.filterShape, params);
  return {
    name: `f32-conv2d-filter-grad-pointwise-${TILE_ROWS}x${tileWidth}-wasm`,
    op: conv2dFilterGrad,
    accepts: (call: KernelCall<Conv2dFilterGradParams>, target) =>
      suits(tileWidth, target) && isPointwise(geometryOf(call)),
    emit(module, call: KernelCall<Conv2dFilterGradParams>) {
      const geometry = geometryOf(call);
      const shape = { m: geometry.C, n: geometry.N, k: pixelsOf(geometry) };
      return emitProduct(module, { ...PLAIN, ...shape, transposeA: true }, tileWidth);
    },
  };
}
