// Kernels of `dense` and `matmul`: matrix products with tiles of 8 or 16 columns, of equal bits.

import type { KernelCall } from "../../kernel.ts";
import { dense, matmul, type DenseParams, type MatmulParams } from "../../ops/matmul.ts";
import type { ModuleBuilder } from "../../../wasm/emitter.ts";
import { emitGemm, type GemmSpec } from "./gemm.ts";
import { singlePhase, type WasmKernel, type WasmRoutine } from "../kernel.ts";
import { suits, TILE_ROWS, type TileWidth } from "./tile.ts";

function emitProduct(module: ModuleBuilder, spec: GemmSpec, tileWidth: TileWidth): WasmRoutine {
  return singlePhase({ ...emitGemm(module, spec, tileWidth), grain: 1 });
}

export function denseKernel(tileWidth: TileWidth): WasmKernel {
  return {
    name: `f32-dense-${TILE_ROWS}x${tileWidth}-wasm`,
    op: dense,
    accepts: (_, target) => suits(tileWidth, target),
    emit(module, { inputs, outputs, params }: KernelCall<DenseParams>) {
      const [m, n] = outputs[0]!.shape as [number, number];
      const spec: GemmSpec = {
        m,
        n,
        k: inputs[0]!.shape[1]!,
        transposeA: false,
        transposeB: false,
        bias: inputs.length === 3,
        relu: params.activation === "relu",
        mask: false,
      };
      return emitProduct(module, spec, tileWidth);
    },
  };
}

export function matmulKernel(tileWidth: TileWidth): WasmKernel {
  return {
    name: `f32-matmul-${TILE_ROWS}x${tileWidth}-wasm`,
    op: matmul,
    accepts: (_, target) => suits(tileWidth, target),
    emit(module, { inputs, outputs, params: { transposeA, transposeB } }: KernelCall<MatmulParams>) {
      const [m, n] = outputs[0]!.shape as [number, number];
      const k = inputs[0]!.shape[transposeA ? 0 : 1]!;
      const mask = inputs.length === 3;
      return emitProduct(
        module,
        { m, n, k, transposeA, transposeB, bias: false, relu: false, mask },
        tileWidth,
      );
    },
  };
}
