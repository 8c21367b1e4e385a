// conv2d and its gradients as matrix products by tiles, of images that are gathered as they are read. They are worth it from
// some channels on; below, a tile's columns would stay empty.

import type { KernelCall } from "../../kernel.ts";
import type { AnyOp } from "../../op.ts";
import {
  conv2d,
  conv2dFilterGrad,
  conv2dGeometry,
  conv2dInputGrad,
  type Conv2dFilterGradParams,
  type Conv2dParams,
} from "../../ops/conv2d.ts";
import { channelsOf } from "../emit/channels.ts";
import type { WebGpuKernel, WebGpuRoutine } from "../kernel.ts";
import { finish, tiledProduct, type TiledProduct } from "../products/gemm.ts";
import { matrixOperand } from "../products/matrix.ts";
import { allows, fits, splitsOf, threadsOf, type OperandPrecision, type Tile } from "../products/tile.ts";
import { isWorth, leastCostly, splitsFor, TILES } from "../products/tiles.ts";
import { gatheredImage, positionsOf, tapsOf } from "./gathered-image.ts";
import { forwardGather } from "./gathers.ts";
import { phasedInputGrad, type PhasedGradient } from "./phased-input-grad.ts";

/** K below which most of a tile's depth is padding. */
const LEAST_K = 12;
/** Strides with more phases occur in no model, and each is a pass of its own. */
const MOST_PRODUCTS = 4;

/** Of 64x64, several for each of some hundred multiprocessors: one alone has too few invocations to hide latencies. */
const WANTED_TILES = 512;
/** Outputs for each split, at least. */
const LEAST_SPLIT = 256;

/** Splits of the filter's gradient, whose sums are the longest of all: a function of its shape alone. */
function splitsOfOutputs({ m, n, k }: TiledProduct): number {
  const tiles = Math.ceil(m / 64) * Math.ceil(n / 64);
  const wanted = Math.min(Math.ceil(WANTED_TILES / tiles), Math.floor(k / LEAST_SPLIT));
  return splitsOf(TILES[0]!, k, Math.max(1, wanted)); // all tiles are of one depth
}

/** y[positions, N] = x[positions, taps C] w[taps C, N] */
function forwardProduct(call: KernelCall): TiledProduct {
  const params = call.params as Conv2dParams;
  const [x, w] = call.inputs;
  const geometry = conv2dGeometry(conv2d.name, x!.shape, w!.shape, params);
  const gather = forwardGather(geometry);
  const [n, k] = [geometry.N, tapsOf(gather) * geometry.C];
  const channels = channelsOf(geometry.C);
  const filter = matrixOperand("w", { input: 1 }, "outer", { outer: n, k });
  return {
    ...{ m: positionsOf(gather), n, k },
    a: gatheredImage("x", gather, channels, "k"),
    b: filter.operand,
    bindings: { x: { of: { input: 0 }, type: channels.type }, w: filter.binding },
    finish: finish({
      ...{ n, relu: params.activation === "relu" },
      ...(call.inputs.length === 3 && { bias: 2 }),
    }),
  };
}

/** dw[taps C, N] = x[positions, taps C]^T dy[positions, N] */
function filterGradProduct(call: KernelCall): TiledProduct {
  const params = call.params as Conv2dFilterGradParams;
  const geometry = conv2dGeometry(conv2dFilterGrad.name, call.inputs[0]!.shape, params.filterShape, params);
  const gather = forwardGather(geometry);
  const [n, k] = [geometry.N, positionsOf(gather)];
  const channels = channelsOf(geometry.C);
  const dy = matrixOperand("dy", { input: 1 }, "outer", { outer: n, k });
  return {
    ...{ m: tapsOf(gather) * geometry.C, n, k },
    a: gatheredImage("x", gather, channels, "outer"),
    b: dy.operand,
    bindings: { x: { of: { input: 0 }, type: channels.type }, dy: dy.binding },
    finish: finish({ n, relu: false }),
  };
}

/** By the products that an op consists of, all of which write to different elements of output 0. */
function tiledKernel(
  op: AnyOp,
  partsOf: (call: KernelCall) => PhasedGradient,
  splits: (product: TiledProduct) => number,
  tile: Tile,
  precision: OperandPrecision,
): WebGpuKernel {
  const largestOf = (products: readonly TiledProduct[]): TiledProduct =>
    products.reduce((most, one) => (one.m * one.k > most.m * most.k ? one : most));
  return {
    name: `${precision}-${op.name}-${tile.rows}x${tile.columns}x${threadsOf(tile)}-webgpu`,
    op,
    accepts(call, target) {
      const { products } = partsOf(call);
      const largest = largestOf(products);
      const worth = largest.k >= LEAST_K && isWorth(tile, largest);
      const computes = worth && fits(tile, target) && products.length <= MOST_PRODUCTS;
      return computes && allows(target, precision);
    },
    pays(call, target) {
      const largest = largestOf(partsOf(call).products);
      return leastCostly(largest, target, splits(largest)) === tile;
    },
    build(call, target): WebGpuRoutine {
      const { products, before } = partsOf(call);
      const routines = products.map((product) =>
        tiledProduct(product, tile, splits(product), target, precision),
      );
      const partials = Math.max(...routines.map(({ scratch }) => scratch?.["partials"] ?? 0));
      return {
        passes: [...before, ...routines.flatMap(({ passes }) => passes)],
        ...(partials > 0 && { scratch: { partials } }),
      };
    },
  };
}

function single(product: (call: KernelCall) => TiledProduct): (call: KernelCall) => PhasedGradient {
  return (call) => ({ products: [product(call)], before: [] });
}

/** What rounds its operands comes first, where the target allows that. */
export const tiledConv2dKernels: readonly WebGpuKernel[] = (["f16", "f32"] as const).flatMap((precision) =>
  TILES.flatMap((tile) => [
    tiledKernel(conv2d, single(forwardProduct), splitsFor, tile, precision),
    tiledKernel(conv2dInputGrad, phasedInputGrad, splitsFor, tile, precision),
    tiledKernel(conv2dFilterGrad, single(filterGradProduct), splitsOfOutputs, tile, precision),
  ]),
);
