// The contract of a WebGPU kernel: for one call of an op it writes the compute passes that run it, in order, as WGSL. All
// shapes are constants of the text; calls of equal text share one pipeline.
//
// Reading slack: a tensor starts at a multiple of 64 elements, and its binding ends at the next such multiple, so a kernel
// may read a vec4 over a tensor's end and drop what it read. It never writes outside its outputs and its scratch, not even
// to their padding, which stays zero in flat vectors.

import type { KernelCall } from "../kernel.ts";
import type { AnyOp } from "../op.ts";

/** What the adapter can do. Kernels whose bits differ are never chosen between by the clock. */
export interface WebGpuTarget {
  /** Width of a subgroup if all subgroups are of one width; undefined where there are no subgroup operations. */
  readonly subgroupSize: number | undefined;
  /** f16 in WGSL (`enable f16;`). */
  readonly shaderF16: boolean;
  /** Bytes of `var<workgroup>`. */
  readonly workgroupBytes: number;
  /** Invocations of a workgroup. */
  readonly workgroupInvocations: number;
  /** That a pass may bind; every adapter lets it bind 8. */
  readonly storageBuffers: number;
  /** "f16" lets products round their operands to f16 (sums stay f32), for speed; f32 if left out. */
  readonly precision?: "f32" | "f16";
  /** Of matrices of f16 that a subgroup multiplies into one of f32: A is m x k, B k x n. Absent: there are none. */
  readonly subgroupMatrix?: { readonly m: number; readonly n: number; readonly k: number };
}

/** An operand of the call, or scratch of the routine by its name. */
export type BoundMemory =
  | { readonly input: number }
  | { readonly output: number }
  | { readonly scratch: string; readonly write?: true };

/** Element type that the pass sees the memory as: any that WGSL lets lie in a storage buffer, without `atomic`. */
export type BindingType = "f32" | "vec4f" | "i32" | "u32" | "vec4i" | "vec4u" | "vec2f" | "vec2u";

export interface Binding {
  readonly of: BoundMemory;
  readonly type: BindingType;
}

export interface WebGpuPass {
  /**
   * A whole module but for its storage buffers, with one entry point `main`. It names its bindings with a dollar,
   * `$y[i] = $x[i]`, which is what the device declares them under: operands on the same memory are one variable (an op
   * that works in place), and must then have the same type.
   */
  readonly wgsl: string;
  /** By name, without the dollar. */
  readonly bindings: Readonly<Record<string, Binding>>;
  /** At most 65,535 each. */
  readonly workgroups: readonly [x: number, y: number, z: number];
  /** The pass only copies input 0 to output 0: it is left out where both are one memory. */
  readonly unlessInPlace?: true;
}

export interface WebGpuRoutine {
  /** They run in order: one sees all that the one before it wrote. */
  readonly passes: readonly WebGpuPass[];
  /** Elements (of 4 bytes) by name; any content at first, gone after the last pass. */
  readonly scratch?: Readonly<Record<string, number>>;
}

export interface WebGpuKernel {
  /** Its specification, `f32-matmul-64x64-webgpu`. */
  readonly name: string;
  readonly op: AnyOp;
  accepts(call: KernelCall, target: WebGpuTarget): boolean;
  /** Whether it is worth choosing for a call that it accepts, by shapes and target alone; if absent, it always is. */
  pays?(call: KernelCall, target: WebGpuTarget): boolean;
  /** Kernels of one op that have this in common give equal bits: the clock may choose between them. */
  readonly equalBits?: string;
  build(call: KernelCall, target: WebGpuTarget): WebGpuRoutine;
}
