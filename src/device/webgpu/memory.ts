// The device's memory: a buffer for each vector, with its mirror on the host, and those that steps share.

import { assert } from "../../errors.ts";
import { formatBytes } from "../../units.ts";
import type { DeviceVector } from "../device.ts";
import { alignBytes } from "./compile.ts";
import { type DeviceHealth, outOfMemory } from "./health.ts";

export const FLOAT_BYTES = 4;

export interface WebGpuVector extends DeviceVector {
  readonly buffer: GPUBuffer;
}

export class WebGpuMemory {
  readonly #device: GPUDevice;
  readonly #health: DeviceHealth;
  readonly #allocated = new WeakSet<DeviceVector>();
  readonly #mirrors = new WeakMap<DeviceVector, Float32Array>();
  #usedBytes = 0;

  constructor(device: GPUDevice, health: DeviceHealth) {
    this.#device = device;
    this.#health = health;
  }

  own(vector: DeviceVector): WebGpuVector {
    assert(this.#allocated.has(vector), `vector ${vector.label} is not of this webgpu device`);
    return vector as WebGpuVector;
  }

  alloc(elements: number, label: string): WebGpuVector {
    const vector = { elements, label, buffer: this.createBuffer(elements * FLOAT_BYTES, label) };
    this.#allocated.add(vector);
    return vector;
  }

  free(vector: DeviceVector): void {
    const { buffer } = this.own(vector);
    this.#usedBytes -= buffer.size;
    buffer.destroy();
  }

  mirror(vector: DeviceVector): Float32Array {
    const { elements } = this.own(vector);
    let mirror = this.#mirrors.get(vector);
    if (mirror === undefined) {
      mirror = new Float32Array(new SharedArrayBuffer(elements * FLOAT_BYTES));
      this.#mirrors.set(vector, mirror);
    }
    return mirror;
  }

  write(vector: DeviceVector, offset: number, data: Float32Array | Int32Array): void {
    const { buffer, elements, label } = this.own(vector);
    assert(
      offset >= 0 && offset + data.length <= elements,
      `write of ${data.length} elements at ${offset} into ${label}, which has ${elements}`,
    );
    this.#device.queue.writeBuffer(buffer, offset * FLOAT_BYTES, data);
  }

  /** Zeroed. Throws SltrainError "out-of-memory" for more than a buffer may have; what the GPU lacks shows later. */
  createBuffer(sizeBytes: number, label: string): GPUBuffer {
    const size = alignBytes(sizeBytes);
    const { maxBufferSize } = this.#device.limits;
    const usedBytes = this.#usedBytes;
    if (size > maxBufferSize)
      throw outOfMemory(
        `${label} needs ${formatBytes(size)} but a buffer of this adapter has at most ${formatBytes(maxBufferSize)}`,
      );
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const buffer = this.#health.watch(
      "out-of-memory",
      () => this.#device.createBuffer({ size, usage, label }),
      () =>
        outOfMemory(
          `${label} needs ${formatBytes(size)}, which the GPU has not left beside the ${formatBytes(usedBytes)} in use here`,
        ),
    );
    this.#usedBytes += size;
    return buffer;
  }

  /** Memory that steps use one after the other, and that grows with what they need; those compiled before keep theirs. */
  shared(label: string): (sizeBytes: number) => GPUBuffer {
    let buffer: GPUBuffer | undefined;
    return (sizeBytes) =>
      buffer !== undefined && buffer.size >= sizeBytes
        ? buffer
        : (buffer = this.createBuffer(sizeBytes, label));
  }
}
