// How a kernel of tf.js is said in sltrain's terms: which op, with which params, over which operands.

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { AnyOp } from "../kernels/op.ts";

export interface Operand {
  readonly tensor: TensorInfo;
  /** What the op takes; "float32" if left out. */
  readonly dtype?: "float32" | "int32";
  /** What one run of the op sees of it. */
  readonly shape: readonly number[];
  /** All runs see the same part; else each run sees the next one. */
  readonly isCommon?: boolean;
}

export interface Computation {
  readonly op: AnyOp;
  readonly params: object;
  readonly operands: readonly Operand[];
  /** Of the result, as tf.js sees it; the op's own if left out. */
  readonly resultShape?: readonly number[];
  /** How often the op runs, each time for the next part of the result; once if left out. */
  readonly runs?: number;
}

/** What of a call sltrain has no kernel for, in words: `padding 3`. tf.js's own kernel computes it if there is one. */
export type Unsupported = string;

/** A kernel's tensors by tf.js's names for them. */
export type Tensors<Required extends string, Optional extends string = never> = Readonly<
  Record<Required, TensorInfo> & Partial<Record<Optional, TensorInfo | null>>
>;

// Operands and attributes differ from kernel to kernel, and a list of rules forgets which, as a list of ops does.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyKernelRule = KernelRule<any, any>;

export interface KernelRule<Inputs extends object, Attrs extends object> {
  /** As tf.js registers it. */
  readonly kernelName: string;
  readonly translate: (inputs: Inputs, attrs: Attrs) => Computation | Unsupported;
}

/** Operands as they are. */
export function whole(...tensors: readonly TensorInfo[]): readonly Operand[] {
  return tensors.map((tensor) => ({ tensor, shape: tensor.shape }));
}
