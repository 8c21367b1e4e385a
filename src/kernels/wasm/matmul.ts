// Kernels of `dense` and `matmul`: matrix products with tiles of 8 or 16 columns, of equal bits.

import type { KernelCall } from "../kernel.ts";
import { dense, matmul, type DenseParams, type MatmulParams } from "../ops/matmul.ts";
import type { ModuleBuilder } from "./emitter.ts";
import { emitGemm, type GemmSpec } from "./gemm.ts";
import { singlePhase, type WasmKernel, type WasmRoutine } from "./kernel.ts";
import { suits, TILE_ROWS, type TileWidth } from "./tile.ts";

/** The routine's parameters are begin, end, a, b, (bias), c, scratch. */
function emitProduct(module: ModuleBuilder, spec: GemmSpec, tileWidth: TileWidth): WasmRoutine {
  const { func: gemm, scratchBytes } = emitGemm(module, spec, tileWidth);
  const shared = { extent: spec.m, grain: TILE_ROWS, scratchBytes };
  if (spec.bias) return singlePhase({ func: gemm, ...shared });
  const names = ["begin", "end", "a", "b", "c", "scratch"] as const;
  const func = module.func(`product ${tileWidth} ${JSON.stringify(spec)}`, names, (p) =>
    gemm.call(p.begin, p.end, p.a, p.b, 0, p.c, p.scratch),
  );
  return singlePhase({ func, ...shared });
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
      };
      return emitProduct(module, spec, tileWidth);
    },
  };
}

export function matmulKernel(tileWidth: TileWidth): WasmKernel {
  return {
    name: `f32-matmul-${TILE_ROWS}x${tileWidth}-wasm`,
    op: matmul,
    accepts: ({ inputs }, target) => inputs.length === 2 && suits(tileWidth, target),
    emit(module, { inputs, outputs, params: { transposeA, transposeB } }: KernelCall<MatmulParams>) {
      const [m, n] = outputs[0]!.shape as [number, number];
      const k = inputs[0]!.shape[transposeA ? 0 : 1]!;
      return emitProduct(module, { m, n, k, transposeA, transposeB, bias: false, relu: false }, tileWidth);
    },
  };
}
