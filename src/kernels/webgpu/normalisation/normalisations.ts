// The kernels of this family.

import type { WebGpuKernel } from "../kernel.ts";
import { batchNormGradKernel } from "./batch-norm-grad.ts";
import { batchNormInferenceKernel } from "./batch-norm-inference.ts";
import { batchNormKernel } from "./batch-norm.ts";
import { layerNormGradKernel, layerNormKernel } from "./layer-norm.ts";
import { localResponseNormGradKernel, localResponseNormKernel } from "./local-response-norm.ts";

export const normalisationKernels: readonly WebGpuKernel[] = [
  batchNormKernel,
  batchNormInferenceKernel,
  batchNormGradKernel,
  layerNormKernel,
  layerNormGradKernel,
  localResponseNormKernel,
  localResponseNormGradKernel,
];
