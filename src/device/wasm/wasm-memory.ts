// The one WebAssembly memory of a device: it only grows, what it hands out is zeroed and stays where it is. It is
// shared, so that views survive its growth and threads can use it.

import { SltrainError } from "../../errors.ts";
import { SLACK_BYTES } from "../../kernels/wasm/kernel.ts";

const PAGE_BYTES = 65536;
/** WebGPU's rule for offsets, kept everywhere; two cache lines or more. */
const ALIGNMENT_BYTES = 256;

/** All that 32-bit addresses reach. It is address space, not memory, until it is written to. */
export const MAXIMUM_PAGES = 65536;

function mebibytes(sizeBytes: number): string {
  return `${(sizeBytes / 2 ** 20).toFixed(1)} MiB`;
}

export class WasmMemory {
  readonly memory: WebAssembly.Memory;
  readonly maximumPages: number;
  #usedBytes = ALIGNMENT_BYTES;

  /** Throws SltrainError "out-of-memory" if the address space cannot be had. */
  constructor(maximumPages: number) {
    this.maximumPages = maximumPages;
    try {
      this.memory = new WebAssembly.Memory({ initial: 1, maximum: maximumPages, shared: true });
    } catch (cause) {
      throw new SltrainError({
        code: "out-of-memory",
        message: `wasm device: expected to reserve ${mebibytes(maximumPages * PAGE_BYTES)} of address space`,
        cause,
        suggestions: ["Raise the process's limit on address space (ulimit -v)."],
      });
    }
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /**
   * The address of `sizeBytes` zeroed bytes, with SLACK_BYTES behind them that may be read. Throws SltrainError
   * "out-of-memory".
   */
  allocate(sizeBytes: number, label: string): number {
    const address = this.#usedBytes;
    const end = Math.ceil((address + sizeBytes + SLACK_BYTES) / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    const missingPages = Math.ceil((end - this.memory.buffer.byteLength) / PAGE_BYTES);
    if (missingPages > 0) {
      try {
        this.memory.grow(missingPages);
      } catch (cause) {
        const left = this.maximumPages * PAGE_BYTES - address;
        throw new SltrainError({
          code: "out-of-memory",
          message: `wasm device: ${label} needs ${mebibytes(sizeBytes)} but ${mebibytes(address)} are in use and at most ${mebibytes(left)} are left`,
          cause,
          suggestions: ["Use a smaller batch size or more workers.", "Give the process more memory."],
        });
      }
    }
    this.#usedBytes = end;
    return address;
  }
}
