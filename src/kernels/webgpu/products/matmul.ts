// Kernels of `dense` and `matmul`: matrix products by tiles, of equal bits whichever tile computes them.

import type { KernelCall } from "../../kernel.ts";
import type { Op } from "../../op.ts";
import { dense, matmul, type DenseParams, type MatmulParams } from "../../ops/matmul.ts";
import type { WebGpuKernel } from "../kernel.ts";
import { gemm, type GemmSpec } from "./gemm.ts";
import { dots } from "./dots.ts";
import { fits, threadsOf, type Tile } from "./tile.ts";
import { isNarrow, isWorth, leastCostly, splitsFor, TILES } from "./tiles.ts";

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
    accepts: (call, target) => fits(tile, target) && isWorth(tile, specOf(call)),
    pays(call, target) {
      const spec = specOf(call);
      return leastCostly(spec, target, splitsFor(spec)) === tile;
    },
    build(call, target) {
      const spec = specOf(call);
      return gemm(spec, tile, splitsFor(spec), target);
    },
  };
}

/** Products of any shape, and the choice for those that tiles are too large for. */
function dotsKernel<P extends object>(op: Op<P>, specOf: (call: KernelCall) => GemmSpec): WebGpuKernel {
  return {
    name: `f32-${op.name}-dots-webgpu`,
    op,
    accepts: () => true,
    pays: (call) => isNarrow(specOf(call)),
    build: (call, target) => dots(specOf(call), target),
  };
}

export function tiledMatmul(tile: Tile): WebGpuKernel {
  return tiledKernel<MatmulParams>(matmul, matmulSpec, tile);
}

export const matmulKernels: readonly WebGpuKernel[] = [
  dotsKernel<DenseParams>(dense, denseSpec),
  dotsKernel<MatmulParams>(matmul, matmulSpec),
  ...TILES.flatMap((tile) => [tiledKernel<DenseParams>(dense, denseSpec, tile), tiledMatmul(tile)]),
];
