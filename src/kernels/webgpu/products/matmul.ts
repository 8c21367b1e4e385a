// Kernels of `dense` and `matmul`: matrix products by tiles, of equal bits whichever tile computes them.

import type { KernelCall } from "../../kernel.ts";
import type { Op } from "../../op.ts";
import { dense, matmul, type DenseParams, type MatmulParams } from "../../ops/matmul.ts";
import type { WebGpuKernel } from "../kernel.ts";
import { gemm, type GemmSpec } from "./gemm.ts";
import { fits, threadsOf, type Tile } from "./tile.ts";
import { splitsFor, TILES, suits } from "./tiles.ts";

export function denseSpec({ inputs, outputs, params }: KernelCall): GemmSpec {
  const [m, n] = outputs[0]!.shape as [number, number];
  return {
    ...{ m, n, k: inputs[0]!.shape[1]!, transposeA: false, transposeB: false },
    ...(inputs.length === 3 ? { bias: 2 } : {}),
    relu: (params as DenseParams).activation === "relu",
  };
}

export function matmulSpec({ inputs, outputs, params }: KernelCall): GemmSpec {
  const { transposeA, transposeB } = params as MatmulParams;
  const [m, n] = outputs[0]!.shape as [number, number];
  return {
    ...{ m, n, k: inputs[0]!.shape[transposeA ? 0 : 1]!, transposeA, transposeB, relu: false },
    ...(inputs.length === 3 ? { mask: 2 } : {}),
  };
}

function tiledKernel<P extends object>(
  op: Op<P>,
  specOf: (call: KernelCall) => GemmSpec,
  tile: Tile,
): WebGpuKernel {
  return {
    name: `f32-${op.name}-${tile.rows}x${tile.columns}x${threadsOf(tile)}-webgpu`,
    op,
    accepts: (_, target) => fits(tile, target),
    pays: (call) => suits(tile, specOf(call)),
    build(call, target) {
      const spec = specOf(call);
      return gemm(spec, tile, splitsFor(spec), target);
    },
  };
}

export const matmulKernels: readonly WebGpuKernel[] = TILES.flatMap((tile) => [
  tiledKernel<DenseParams>(dense, denseSpec, tile),
  tiledKernel<MatmulParams>(matmul, matmulSpec, tile),
]);
