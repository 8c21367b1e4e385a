// The contract of a WASM kernel: it writes the function that computes one call of an op into a module.
//
// Reading slack: a kernel may read up to SLACK_BYTES beyond a tensor's last element (and drop what it read); whoever
// owns the memory guarantees that those bytes exist. It never writes outside its outputs and its scratch.

import type { KernelCall } from "../kernel.ts";
import type { AnyOp } from "../op.ts";
import type { FunctionRef, ModuleBuilder } from "../../wasm/emitter.ts";

export const SLACK_BYTES = 64;

/** What the machine and its engine do well. It may choose only among kernels that give equal bits. */
export interface WasmTarget {
  /** The engine has relaxed SIMD's fused multiply-add. */
  readonly relaxedSimd: boolean;
  /** Tiles of 16 columns are faster than tiles of 8: V8 joins pairs of 128-bit operations, or registers abound. */
  readonly wide: boolean;
}

/** Work of a call that can be cut into slices. */
export interface Phase {
  /**
   * Parameters: begin, end, then byte addresses: the inputs, the outputs, `shared` if the routine has such bytes,
   * scratch. It computes the outer units [begin, end): whatever the slicing, the outputs' bits are the same, and slices
   * may run in any order and on several threads at once.
   */
  readonly func: FunctionRef;
  /** Outer units in all: rows, samples, elements, as the kernel likes. */
  readonly extent: number;
  /** `begin` must be a multiple of it, `end` too unless it is the extent. */
  readonly grain: number;
}

export interface WasmRoutine {
  /** They run in order: one begins when the one before it has ended. */
  readonly phases: readonly Phase[];
  /** What all slices of a call see: one phase leaves packed operands or partial sums there for the next. */
  readonly sharedBytes: number;
  /** What each running slice has to itself; another slice finds it in any state. */
  readonly scratchBytes: number;
}

/** A routine of one phase. */
export function singlePhase({ scratchBytes = 0, ...phase }: Phase & { scratchBytes?: number }): WasmRoutine {
  return { phases: [phase], sharedBytes: 0, scratchBytes };
}

export interface WasmKernel {
  /** Its specification, `f32-matmul-6x16-wasm`. */
  readonly name: string;
  readonly op: AnyOp;
  accepts(call: KernelCall, target: WasmTarget): boolean;
  /** Whether it is worth choosing for a call that it accepts, by the shapes alone; if absent, it always is. */
  pays?(call: KernelCall): boolean;
  emit(module: ModuleBuilder, call: KernelCall): WasmRoutine;
}
