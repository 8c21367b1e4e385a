// How a device computes an op: one call's shapes and params, and the kernel contracts of the devices.

import type { AnyOp } from "./op.ts";
import type { TensorData, TensorType } from "./tensor.ts";

/** One instruction as a kernel sees it. */
export interface KernelCall<P extends object = object> {
  readonly inputs: readonly TensorType[];
  readonly outputs: readonly TensorType[];
  readonly params: P;
}

/** Plain TypeScript over float64 or float32: says what an op means. The other devices are tested against it. */
export interface ReferenceKernel<P extends object = object> {
  readonly op: AnyOp;
  run(call: KernelCall<P>, inputs: readonly TensorData[], outputs: readonly TensorData[]): void;
}
