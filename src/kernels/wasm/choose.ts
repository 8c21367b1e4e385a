// Which kernel computes a call: a pure function of shapes and target, apart from the kernels. The clock never decides
// between kernels whose bits differ, nor does the target: ranks on different machines must agree.

import type { KernelCall } from "../kernel.ts";
import type { AnyOp } from "../op.ts";
import type { WasmKernel, WasmTarget } from "./kernel.ts";
import { wasmKernels } from "./kernels.ts";

/** The first kernel of the list that accepts the call and pays for it; undefined if there is none. */
export function chooseWasmKernel(op: AnyOp, call: KernelCall, target: WasmTarget): WasmKernel | undefined {
  return wasmKernels.find(
    (kernel) => kernel.op === op && kernel.accepts(call, target) && (kernel.pays?.(call) ?? true),
  );
}
