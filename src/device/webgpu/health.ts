// What goes wrong on a GPU is told later and elsewhere than it was caused: a lost device, memory that could not be had, a
// call that WebGPU refuses. Here it is kept until somebody waits for the device, and thrown there.

import { setImmediate } from "node:timers/promises";
import { SltrainError } from "../../errors.ts";

export class DeviceHealth {
  isLost = false;
  readonly #device: GPUDevice;
  readonly #pending = new Set<Promise<void>>();
  #fault: Error | undefined;

  constructor(device: GPUDevice) {
    this.#device = device;
    void device.lost.then(({ reason, message }) => {
      this.isLost = true;
      this.#fault ??= deviceLost(reason, message);
    });
    device.addEventListener("uncapturederror", ({ error }) => {
      const isMemory = error instanceof GPUOutOfMemoryError;
      this.#fault ??= isMemory ? outOfMemory(error.message) : refused(error.message);
    });
  }

  /** Calls `create`; what WebGPU has against it is thrown by the next `settled`. */
  watch<T>(filter: GPUErrorFilter, create: () => T, toError: (message: string) => Error): T {
    this.#device.pushErrorScope(filter);
    try {
      return create();
    } finally {
      const told = this.#device.popErrorScope().then((error) => {
        if (error !== null) this.#fault ??= toError(error.message);
        this.#pending.delete(told);
      });
      this.#pending.add(told);
    }
  }

  /** Throws what has befallen the device so far. */
  check(): void {
    if (this.#fault !== undefined) throw this.#fault;
  }

  /** Throws what has befallen the device, by calls that were watched or otherwise. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending);
    this.check();
  }

  /** What `work` gives; throws what befell the device in the meantime rather than what that did to `work`. */
  async guard<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      // The work of a lost device ends before the device says why.
      await setImmediate();
      this.check();
      throw error;
    } finally {
      this.check();
    }
  }
}

/** A call that WebGPU refuses, by the labels in its message. */
export function refused(message: string): Error {
  return new Error(`sltrain bug: WebGPU refused a call: ${message}`);
}

export function outOfMemory(what: string): SltrainError {
  return new SltrainError({
    code: "out-of-memory",
    message: `webgpu device: ${what}`,
    suggestions: ["Use a smaller batch size or more workers.", "Use a GPU with more memory."],
  });
}

function deviceLost(reason: GPUDeviceLostReason, message: string): SltrainError {
  return new SltrainError({
    code: "device-lost",
    message: `webgpu device: expected the GPU to stay until the step's end, but it was lost (${reason}): ${message}`,
    suggestions: [
      "The worker is started again from its newest state.",
      "Where it happens again, look into the driver's log: dmesg, for NVIDIA's its lines NVRM: Xid.",
    ],
    retryable: reason !== "destroyed",
  });
}
