// What an op is: its shape rule, its flop count and its gradient. How a device computes it is a kernel's business.

import type { TensorType } from "./tensor.ts";

/** A symbolic tensor of a graph. */
export interface Tensor {
  readonly id: number;
  readonly type: TensorType;
}

/** What a gradient rule sees of the node it differentiates, and the means to add nodes. */
export interface VjpContext<P extends object> {
  readonly params: P;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** d(objective)/d(outputs[i]); undefined where the objective does not depend on it. */
  readonly outputGrads: readonly (Tensor | undefined)[];
  /** Whether anybody wants the gradient of `inputs[i]`; a rule may skip the work otherwise. */
  readonly needs: (input: number) => boolean;
  /** Adds a node and returns its outputs. */
  readonly add: <Q extends object>(op: Op<Q>, inputs: readonly Tensor[], params: Q) => readonly Tensor[];
}

/** Vector-Jacobian product: one gradient per input, undefined where there is none or none is needed. */
export type Vjp<P extends object> = (context: VjpContext<P>) => readonly (Tensor | undefined)[];

export interface Op<P extends object = object> {
  readonly name: string;
  /** Shape rule. Throws SltrainError "shape-mismatch" naming the op, the operand and both extents. */
  infer(inputs: readonly TensorType[], params: P): readonly TensorType[];
  /** Floating-point operations of one run; a multiply-add counts two. */
  flops(inputs: readonly TensorType[], params: P): number;
  /** Output 0 is input 0's memory under another shape: no kernel runs. */
  readonly view?: true;
  /** Output 0 may take over the memory of one of these inputs if that input dies here: kernels read an element before they write it. */
  readonly inPlace?: readonly number[];
  /**
   * Position of an operand `mask` that may be left out, the last one, of output 0's type: output 0 is 0 where the mask is
   * not above 0. It is what `relu-grad` would do next, done on the way out (graph/fuse.ts puts it there).
   */
  readonly maskOperand?: number;
  readonly vjp: Vjp<P> | "not-differentiable";
}

// Params differ from op to op, and a list of ops forgets which; an instruction pairs an op with params that its own
// builder checked. `AnyOp` is that list's element type.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyOp = Op<any>;
