// Which kernel computes a call: a pure function of shapes and target, apart from the kernels.

import type { KernelCall } from "../kernel.ts";
import type { AnyOp } from "../op.ts";
import type { WebGpuKernel, WebGpuTarget } from "./kernel.ts";
import { webgpuKernels } from "./kernels.ts";

/** The first kernel of the list that accepts the call and pays for it; undefined if there is none. */
export function chooseWebGpuKernel(
  op: AnyOp,
  call: KernelCall,
  target: WebGpuTarget,
): WebGpuKernel | undefined {
  return webgpuKernels.find(
    (kernel) => kernel.op === op && kernel.accepts(call, target) && (kernel.pays?.(call, target) ?? true),
  );
}
