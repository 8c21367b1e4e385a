// The memory of tf.js's wasm backend, which Emscripten's malloc manages: where tensors lie in it, and room of ours among
// them. It grows, and views of it die then; addresses stay.

import type { BackendWasm } from "@tensorflow/tfjs-backend-wasm";
import { util, type TensorInfo } from "@tensorflow/tfjs-core";
import { SltrainError } from "../errors.ts";
import { SLACK_BYTES } from "../kernels/wasm/kernel.ts";
import { FLOAT_BYTES } from "../wasm/lanes.ts";

/** What Emscripten makes of the backend's module; its types leave the memory out. */
interface EmscriptenModule {
  readonly asm?: { readonly memory?: WebAssembly.Memory<ArrayBufferLike> };
  /** Returns 0 if there is no memory left, and addresses from 2 GiB on as negative numbers. */
  _malloc(sizeBytes: number): number;
  _free(address: number): void;
}

/** What we use of tf.js's wasm backend. */
export type Backend = Pick<BackendWasm, "wasm" | "getMemoryOffset" | "makeOutput">;

export class Heap {
  readonly memory: WebAssembly.Memory<ArrayBufferLike>;
  readonly #backend: Backend;
  readonly #module: EmscriptenModule;
  #workspace = { address: 0, sizeBytes: 0 };

  /** Throws SltrainError "tfjs-memory-hidden" if the backend's build does not show its memory. */
  constructor(backend: Backend) {
    this.#backend = backend;
    this.#module = backend.wasm as unknown as EmscriptenModule;
    const memory = this.#module.asm?.memory;
    if (memory === undefined)
      throw new SltrainError({
        code: "tfjs-memory-hidden",
        message:
          "sltrain/tfjs: expected tf.js's wasm backend to show its memory as wasm.asm.memory, got none",
        suggestions: ["Use @tensorflow/tfjs-backend-wasm 4.22.0."],
      });
    this.memory = memory;
  }

  addressOf({ dataId }: TensorInfo): number {
    return this.#backend.getMemoryOffset(dataId);
  }

  /** A tensor of any content, with slack behind it. */
  makeTensor(shape: readonly number[]): TensorInfo {
    const sizeBytes = util.sizeFromShape([...shape]) * FLOAT_BYTES;
    return this.#backend.makeOutput([...shape], "float32", this.allocate(sizeBytes));
  }

  /** The address of so many bytes with slack behind them. Throws SltrainError "out-of-memory". */
  allocate(sizeBytes: number): number {
    const address = this.#module._malloc(sizeBytes + SLACK_BYTES) >>> 0;
    if (address === 0)
      throw new SltrainError({
        code: "out-of-memory",
        message: `sltrain/tfjs: expected ${sizeBytes} bytes in tf.js's wasm memory, which has ${this.memory.buffer.byteLength} in all`,
        suggestions: ["Use a smaller batch size.", "Dispose of tensors, or wrap their making in tf.tidy."],
      });
    return address;
  }

  free(address: number): void {
    this.#module._free(address);
  }

  /** The bytes may be read with slack behind them. */
  hasSlack(address: number, sizeBytes: number): boolean {
    return address + sizeBytes + SLACK_BYTES <= this.memory.buffer.byteLength;
  }

  copy(from: number, to: number, sizeBytes: number): void {
    new Uint8Array(this.memory.buffer).copyWithin(to, from, from + sizeBytes);
  }

  clear(address: number, sizeBytes: number): void {
    new Uint8Array(this.memory.buffer).fill(0, address, address + sizeBytes);
  }

  /** The address of at least so many bytes, which all kernels share one after the other. */
  workspace(sizeBytes: number): number {
    if (sizeBytes > this.#workspace.sizeBytes) {
      this.free(this.#workspace.address);
      this.#workspace = { address: 0, sizeBytes: 0 };
      this.#workspace = { address: this.allocate(sizeBytes), sizeBytes };
    }
    return this.#workspace.address;
  }
}
