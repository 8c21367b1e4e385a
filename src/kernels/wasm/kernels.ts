// The list of all WASM kernels. Dispatch (choose.ts), tests and benches read it.

import { batchNormKernels } from "./normalisation/batch-norm.ts";
import { byteShuffleKernels } from "./codecs/byte-shuffle.ts";
import { clipKernels } from "./elementwise/clip.ts";
import { columnKernels } from "./elementwise/columns.ts";
import { cachedAttentionKernel } from "./attention/cached-attention.ts";
import { causalAttentionGradKernel } from "./attention/causal-attention-grad.ts";
import { causalAttentionKernel } from "./attention/causal-attention.ts";
import { concatKernels } from "./elementwise/concat.ts";
import { conv2dFilterGradKernel, conv2dInputGradKernel, conv2dKernel } from "./convolution/conv2d.ts";
import { conv2dMaxPoolKernels } from "./convolution/conv2d-max-pool.ts";
import { depthwiseKernels } from "./depthwise/depthwise-conv2d.ts";
import { denseDotKernel } from "./products/dot.ts";
import { divideKernel } from "./elementwise/divide.ts";
import { dropoutKernels } from "./elementwise/dropout.ts";
import { embeddingKernels } from "./elementwise/embedding.ts";
import { formulaKernels } from "./elementwise/formulas.ts";
import { globalAvgPoolKernels } from "./pooling/global-avg-pool.ts";
import { halfPrecisionKernels } from "./codecs/half-precision.ts";
import { int8Kernels } from "./codecs/int8.ts";
import type { WasmKernel } from "./kernel.ts";
import { kmeansAssignKernel } from "./products/kmeans-assign.ts";
import { layerNormKernels } from "./normalisation/layer-norm.ts";
import { localResponseNormKernels } from "./normalisation/local-response-norm.ts";
import { lossKernels } from "./losses/losses.ts";
import { denseKernel, matmulKernel } from "./products/matmul.ts";
import {
  pointwiseConv2dKernel,
  pointwiseFilterGradKernel,
  pointwiseInputGradKernel,
} from "./convolution/pointwise-conv2d.ts";
import { poolingKernels } from "./pooling/pooling.ts";
import { softmaxCrossEntropyKernels } from "./losses/softmax-cross-entropy.ts";
import { softmaxKernels } from "./losses/softmax.ts";
import { sparseDenseKernels } from "./products/sparse-dense.ts";
import { TILE_WIDTHS } from "./products/tile.ts";
import { sumOfSquaresKernel } from "./elementwise/sum-of-squares.ts";
import { updateKernels } from "./elementwise/updates.ts";
import { winogradKernels } from "./winograd/winograd-conv2d.ts";
import { xxh32Kernel } from "./codecs/xxh32.ts";

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
    causalAttentionKernel(width),
    causalAttentionGradKernel(width),
  ]),
  cachedAttentionKernel,
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
  divideKernel,
  ...clipKernels,
  ...halfPrecisionKernels,
  ...int8Kernels,
  ...byteShuffleKernels,
  xxh32Kernel,
];
