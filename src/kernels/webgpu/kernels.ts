// The list of all WebGPU kernels. Dispatch (choose.ts), tests and benches read it.

import { formulaKernels } from "./elementwise/formulas.ts";
import type { WebGpuKernel } from "./kernel.ts";
import { globalPoolingKernels } from "./pooling/global-avg-pool.ts";
import { poolingKernels } from "./pooling/pooling.ts";

export const webgpuKernels: readonly WebGpuKernel[] = [
  ...formulaKernels,
  ...poolingKernels,
  ...globalPoolingKernels,
];
