// The kernels of what codecs do.

import type { WebGpuKernel } from "../kernel.ts";
import { byteShuffleKernels } from "./byte-shuffle.ts";
import { fp16ChunkKernel } from "./chunk-fp16.ts";
import { int8ChunkKernel } from "./chunk-int8.ts";
import { topKChunkKernel } from "./chunk-top-k.ts";
import { halfPrecisionKernels } from "./half-precision.ts";
import { int8Kernels } from "./int8.ts";
import { xxh32Kernel } from "./xxh32.ts";

export const codecKernels: readonly WebGpuKernel[] = [
  ...halfPrecisionKernels,
  ...int8Kernels,
  ...byteShuffleKernels,
  xxh32Kernel,
  fp16ChunkKernel,
  int8ChunkKernel,
  topKChunkKernel,
];
