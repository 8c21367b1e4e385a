// Kernels of `dense` and `matmul`: matrix products by tiles, of equal bits whichever tile computes them.

import type { KernelCall } from "../../kernel.ts";
import type { Op } from "../../op.ts";
import { dense, matmul, type DenseParams, type MatmulParams } from "../../ops/matmul.ts";
import type { WebGpuKernel } from "../kernel.ts";
import { gemm, type GemmSpec } from "./gemm.ts";
import { dots } from "./dots.ts";
import { allows, fits, threadsOf, tilePass, type OperandPrecision, type Tile } from "./tile.ts";
import { hasSubgroupMatrices, SUBGROUP_MATRIX_BLOCK, subgroupMatrixPass } from "./subgroup-matrix.ts";
import { isLarge, isNarrow, isWorth, leastCostly, splitsFor, TILES } from "./tiles.ts";

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
  precision: OperandPrecision = "f32",
): WebGpuKernel {
  return {
    name: `${precision}-${op.name}-${tile.rows}x${tile.columns}x${threadsOf(tile)}-webgpu`,
    op,
    equalBits: `tiles of ${precision}`,
    accepts: (call, target) => allows(target, precision) && fits(tile, target) && isWorth(tile, specOf(call)),
    pays(call, target) {
      const spec = specOf(call);
      return !isNarrow(spec) && leastCostly(spec, target, splitsFor(spec)) === tile;
    },
    build(call, target) {
      const spec = specOf(call);
      return gemm(spec, splitsFor(spec), (product) => tilePass(tile, product, target, precision));
    },
  };
}

/** Products of any shape: the choice for those that tiles are too large for. */
function dotsKernel<P extends object>(op: Op<P>, specOf: (call: KernelCall) => GemmSpec): WebGpuKernel {
  return {
    name: `f32-${op.name}-dots-webgpu`,
    op,
    accepts: () => true,
    build: (call, target) => dots(specOf(call), target),
  };
}

function subgroupMatrixKernel<P extends object>(
  op: Op<P>,
  specOf: (call: KernelCall) => GemmSpec,
): WebGpuKernel {
  return {
    name: `f16-${op.name}-subgroup-matrix-webgpu`,
    op,
    accepts: (_, target) => target.precision === "f16" && hasSubgroupMatrices(target),
    pays: (call) => isLarge(specOf(call), SUBGROUP_MATRIX_BLOCK),
    build: (call, target) => gemm(specOf(call), 1, (product) => subgroupMatrixPass(product, target)),
  };
}

export function tiledMatmul(tile: Tile, precision: OperandPrecision = "f32"): WebGpuKernel {
  return tiledKernel<MatmulParams>(matmul, matmulSpec, tile, precision);
}

/** What rounds its operands comes first, where the target allows that. */
export const matmulKernels: readonly WebGpuKernel[] = [
  subgroupMatrixKernel<DenseParams>(dense, denseSpec),
  subgroupMatrixKernel<MatmulParams>(matmul, matmulSpec),
  ...(["f16", "f32"] as const).flatMap((precision) =>
    TILES.flatMap((tile) => [
      tiledKernel<DenseParams>(dense, denseSpec, tile, precision),
      tiledMatmul(tile, precision),
    ]),
  ),
  dotsKernel<DenseParams>(dense, denseSpec),
  dotsKernel<MatmulParams>(matmul, matmulSpec),
];
