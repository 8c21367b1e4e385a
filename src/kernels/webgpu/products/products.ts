// The kernels of products.

import type { WebGpuKernel } from "../kernel.ts";
import { cachedAttentionKernel } from "../attention/cached-attention.ts";
import { causalAttentionGradKernel } from "../attention/causal-attention-grad.ts";
import { causalAttentionKernel } from "../attention/causal-attention.ts";
import { kmeansAssignKernel } from "./kmeans-assign.ts";
import { matmulKernels } from "./matmul.ts";
import { sparseDenseKernel } from "./sparse-dense.ts";
import { sparseScatterKernels } from "./sparse-scatter.ts";

export const productKernels: readonly WebGpuKernel[] = [
  ...matmulKernels,
  kmeansAssignKernel,
  cachedAttentionKernel,
  causalAttentionKernel,
  causalAttentionGradKernel,
  sparseDenseKernel,
  ...sparseScatterKernels,
];
