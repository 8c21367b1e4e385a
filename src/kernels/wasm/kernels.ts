// The list of all WASM kernels. Dispatch (choose.ts), tests and benches read it.

import { batchNormKernels } from "./batch-norm.ts";
import { byteShuffleKernels } from "./byte-shuffle.ts";
import { columnKernels } from "./columns.ts";
import { concatKernels } from "./concat.ts";
import { conv2dFilterGradKernel, conv2dInputGradKernel, conv2dKernel } from "./conv2d.ts";
import { conv2dMaxPoolKernels } from "./conv2d-max-pool.ts";
import { depthwiseKernels } from "./depthwise-conv2d.ts";
import { denseDotKernel } from "./dot.ts";
import { dropoutKernels } from "./dropout.ts";
import { embeddingKernels } from "./embedding.ts";
import { formulaKernels } from "./formulas.ts";
import { globalAvgPoolKernels } from "./global-avg-pool.ts";
import { halfPrecisionKernels } from "./half-precision.ts";
import { int8Kernels } from "./int8.ts";
import type { WasmKernel } from "./kernel.ts";
import { kmeansAssignKernel } from "./kmeans-assign.ts";
import { layerNormKernels } from "./layer-norm.ts";
import { localResponseNormKernels } from "./local-response-norm.ts";
import { lossKernels } from "./losses.ts";
import { denseKernel, matmulKernel } from "./matmul.ts";
import {
  pointwiseConv2dKernel,
  pointwiseFilterGradKernel,
  pointwiseInputGradKernel,
} from "./pointwise-conv2d.ts";
import { poolingKernels } from "./pooling.ts";
import { softmaxCrossEntropyKernels } from "./softmax-cross-entropy.ts";
import { softmaxKernels } from "./softmax.ts";
import { sparseDenseKernels } from "./sparse-dense.ts";
import { TILE_WIDTHS } from "./tile.ts";
import { sumOfSquaresKernel } from "./sum-of-squares.ts";
import { updateKernels } from "./updates.ts";
import { winogradKernels } from "./winograd-conv2d.ts";
import { xxh32Kernel } from "./xxh32.ts";

export const wasmKernels: readonly WasmKernel[] = [
  ...TILE_WIDTHS.flatMap((width) => [
    denseDotKernel(width),
    denseKernel(width),
    matmulKernel(width),
    ...winogradKernels(width),
    pointwiseConv2dKernel(width),
    pointwiseInputGradKernel(width),
    pointwiseFilterGradKernel(width),
    conv2dKernel(width, "turned"),
    conv2dInputGradKernel(width, "turned"),
    conv2dKernel(width, "direct"),
    conv2dInputGradKernel(width, "direct"),
    conv2dFilterGradKernel(width),
    kmeansAssignKernel(width),
  ]),
  ...depthwiseKernels,
  ...conv2dMaxPoolKernels,
  ...poolingKernels,
  ...columnKernels,
  ...batchNormKernels,
  ...layerNormKernels,
  ...localResponseNormKernels,
  ...embeddingKernels,
  ...concatKernels,
  ...globalAvgPoolKernels,
  ...formulaKernels,
  ...softmaxKernels,
  ...sparseDenseKernels,
  ...softmaxCrossEntropyKernels,
  ...lossKernels,
  ...dropoutKernels,
  ...updateKernels,
  sumOfSquaresKernel,
  ...halfPrecisionKernels,
  ...int8Kernels,
  ...byteShuffleKernels,
  xxh32Kernel,
];
