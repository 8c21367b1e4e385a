// What a bench measures on: a kind of device, how its steps are timed, and what it can do at most.

import type { Device, Step } from "../../src/device/device.ts";
import type { KernelCall } from "../../src/kernels/kernel.ts";
import type { AnyOp } from "../../src/kernels/op.ts";
import type { Peak } from "../kernels/roofline.ts";
import type { Machine } from "../machine.ts";

/** Runs a step once; ms. Where the device has a clock of its own, submission and waiting do not count. */
export type StepTimer = (step: Step) => Promise<number>;

export interface Testbed {
  readonly device: "wasm" | "webgpu";
  readonly machine: Machine;
  /** A GPU that is played by a processor takes seconds where others take milliseconds. */
  readonly isSoftware: boolean;
  /** Whether the device has a kernel for the call. */
  hasKernel(op: AnyOp, call: KernelCall): boolean;
  /** Takes about half a second. */
  measurePeak(): Promise<Peak>;
  /** With a device whose memory is given back afterwards, so that a hundred cases do not add up. */
  use<T>(measure: (device: Device, timeMs: StepTimer) => Promise<T>): Promise<T>;
  /** Ends what the process would wait for. */
  close(): void;
}

export const wallTimeMs: StepTimer = async (step) => {
  const beganMs = performance.now();
  await step.run();
  return performance.now() - beganMs;
};
