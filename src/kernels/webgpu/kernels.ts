// The list of all WebGPU kernels. Dispatch (choose.ts), tests and benches read it.

import { codecKernels } from "./codecs/codecs.ts";
import { conv2dMaxPoolKernels } from "./convolution/conv2d-max-pool.ts";
import { directConv2dKernels } from "./convolution/direct-conv2d.ts";
import { tiledConv2dKernels } from "./convolution/tiled-conv2d.ts";
import { depthwiseKernels } from "./depthwise/depthwise-conv2d.ts";
import { elementKernels } from "./elementwise/elements.ts";
import type { WebGpuKernel } from "./kernel.ts";
import { lossKernels } from "./losses/losses.ts";
import { softmaxCrossEntropyKernels } from "./losses/softmax-cross-entropy.ts";
import { softmaxKernels } from "./losses/softmax.ts";
import { normalisationKernels } from "./normalisation/normalisations.ts";
import { globalPoolingKernels } from "./pooling/global-avg-pool.ts";
import { poolingKernels } from "./pooling/pooling.ts";
import { productKernels } from "./products/products.ts";

export const webgpuKernels: readonly WebGpuKernel[] = [
  ...elementKernels,
  ...codecKernels,
  ...normalisationKernels,
  ...poolingKernels,
  ...globalPoolingKernels,
  ...productKernels,
  ...lossKernels,
  ...softmaxKernels,
  ...softmaxCrossEntropyKernels,
  ...tiledConv2dKernels,
  ...directConv2dKernels,
  ...conv2dMaxPoolKernels,
  ...depthwiseKernels,
];
