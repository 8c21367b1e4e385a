// The kernels of elements, of columns, and of what works on one vector.

import type { WebGpuKernel } from "../kernel.ts";
import { clipKernels } from "./clip.ts";
import { columnKernels } from "./columns.ts";
import { concatKernels } from "./concat.ts";
import { divideKernel } from "./divide.ts";
import { dropoutKernel } from "./dropout.ts";
import { embeddingKernels } from "./embedding.ts";
import { formulaKernels } from "./formulas.ts";
import { sumOfSquaresKernel } from "./sum-of-squares.ts";
import { updateKernels } from "./updates.ts";

export const elementKernels: readonly WebGpuKernel[] = [
  ...formulaKernels,
  ...columnKernels,
  ...concatKernels,
  ...embeddingKernels,
  divideKernel,
  ...clipKernels,
  dropoutKernel,
  ...updateKernels,
  sumOfSquaresKernel,
];
