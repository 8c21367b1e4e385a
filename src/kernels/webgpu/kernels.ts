// The list of all WebGPU kernels. Dispatch (choose.ts), tests and benches read it.

import { formulaKernels } from "./elementwise/formulas.ts";
import type { WebGpuKernel } from "./kernel.ts";

export const webgpuKernels: readonly WebGpuKernel[] = [...formulaKernels];
