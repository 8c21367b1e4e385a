// The device contract: memory, and a whole program compiled into one step. Kernels are picked inside `compile`.
//
// A program is static: every shape is known, every value has its place in advance, and running a step allocates
// nothing. Values live either in a named flat vector that outlives the step (parameters, gradients, statistics,
// optimiser state, inputs, results) or in the arena, whose memory the plan reuses from value to value.

import type { AnyOp } from "../kernels/op.ts";
import type { TensorType } from "../kernels/tensor.ts";

/** Index into `Program.values`. */
export type ValueId = number;

export type Place =
  | { readonly kind: "arena" }
  /** `offset` in elements (4 bytes) from the vector's start, a multiple of 64. */
  | { readonly kind: "vector"; readonly vector: string; readonly offset: number };

export interface Value {
  readonly type: TensorType;
  readonly name: string;
  readonly place: Place;
}

export interface Instruction {
  readonly op: AnyOp;
  readonly params: object;
  readonly inputs: readonly ValueId[];
  readonly outputs: readonly ValueId[];
}

export interface Program {
  readonly values: readonly Value[];
  readonly instructions: readonly Instruction[];
  /** Elements that each named vector must have at least. */
  readonly vectors: Readonly<Record<string, number>>;
}

/** Where every arena value lies. Made by the graph's memory plan; a device obeys it. */
export interface Plan {
  /** By value id: elements from the arena's start (a multiple of 64), or -1 for a value in a vector. */
  readonly offsets: readonly number[];
  readonly arenaElements: number;
}

/** A vector of 4-byte elements in the device's memory. */
export interface DeviceVector {
  readonly elements: number;
  readonly label: string;
}

/** Elements of a vector that the host wants as an instruction of the run left them. */
export interface ReadBack {
  readonly vector: DeviceVector;
  /** Elements [begin, end). */
  readonly begin: number;
  readonly end: number;
  /** Index of the instruction. */
  readonly after: number;
  /**
   * Called when the vector's mirror holds the elements, and those of all other read-backs after the same instruction. The
   * run waits for the promise that it returns; a device whose memory is the host's goes no further until then.
   */
  readonly ready?: () => void | Promise<void>;
}

export interface RunOptions {
  readonly readBacks?: readonly ReadBack[];
}

/** A compiled program. Running it twice with the same vector contents gives the same bits. */
export interface Step {
  readonly arenaBytes: number;
  /** Which kernel computes each instruction; undefined for views. For benches and messages. */
  readonly kernelNames: readonly (string | undefined)[];
  /**
   * Runs all instructions in order, and resolves when they have finished and everything was read back. Gives way to the
   * event loop at most 20 ms apart, so that heartbeats and transfers go on. Steps of one device share the arena: as many
   * as its `runsUnderWay` may be called before the first has resolved, and run in the order of the calls, as writes do.
   */
  run(options?: RunOptions): Promise<void>;
}

/** The GPU, or what plays it, under a device. */
export interface DeviceAdapter {
  /** As its driver says. */
  readonly name: string;
  /** A processor that plays a GPU: correct and slow. */
  readonly isSoftware: boolean;
}

export interface Device {
  readonly name: "reference" | "wasm" | "webgpu";
  /** Of `webgpu` alone. */
  readonly adapter?: DeviceAdapter;
  /** True of a GPU that has gone away: nothing will run on this device any more. */
  readonly isLost?: boolean;
  /**
   * ms that a GPU has worked on steps, by its own clock; undefined unless asked for (`countBusyTime`), and where the
   * adapter has no timestamp queries.
   */
  readonly busyMs?: number | undefined;
  /** A zeroed vector. Throws SltrainError "out-of-memory" naming what was asked for and what is left. */
  alloc(elements: number, label: string): DeviceVector;
  /** Runs that may be under way at a time. 1: a run must have resolved before the next, and before memory is touched. */
  readonly runsUnderWay: number;
  /**
   * The vector's place in the host's memory, the same for its life: on a host device the memory itself (writes are seen by
   * the next run), on a GPU a copy as of the last time that it was read back, in memory that threads may share.
   */
  mirror(vector: DeviceVector): Float32Array;
  /** The vector's mirror, up to date, after all runs that were called before. */
  readF32(vector: DeviceVector): Promise<Float32Array>;
  /**
   * Copies `data` to `offset` (elements), for runs that are called later. i32 data keeps its bits. Costs nothing where
   * `data` is that stretch of the memory itself.
   */
  write(vector: DeviceVector, offset: number, data: Float32Array | Int32Array): void;
  /** Throws SltrainError "kernel-missing" naming op and shapes if no kernel of this device accepts an instruction. */
  compile(program: Program, plan: Plan, vectors: Readonly<Record<string, DeviceVector>>): Promise<Step>;
  destroy(): void;
}
