// The way back from GPU to host: copies into a staging buffer, encoded behind what computes them, which is mapped when the
// GPU has come that far and copied into the vectors' mirrors. Staging buffers are used again: a step that repeats
// allocates none.

/** A stretch of a buffer, and where it goes. */
export interface Stretch {
  readonly buffer: GPUBuffer;
  readonly offsetBytes: number;
  /** As long as the stretch. */
  readonly to: Float32Array;
}

export type Arrived = () => Promise<unknown> | undefined;

export class Staging {
  readonly #device: GPUDevice;
  /** By size in bytes. */
  readonly #idle = new Map<number, GPUBuffer[]>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /**
   * Encodes the copies. The function that it returns is to be called after their submission: it calls `arrived` when the
   * stretches are where they go, before anything else can go there, and resolves when that has.
   */
  encode(encoder: GPUCommandEncoder, stretches: readonly Stretch[]): (arrived?: Arrived) => Promise<void> {
    const sizeBytes = stretches.reduce((sum, { to }) => sum + to.byteLength, 0);
    if (sizeBytes === 0)
      return async (arrived) => {
        await this.#device.queue.onSubmittedWorkDone();
        await arrived?.();
      };
    const buffer = this.#idle.get(sizeBytes)?.pop() ?? this.#create(sizeBytes);
    let at = 0;
    for (const { buffer: from, offsetBytes, to } of stretches) {
      if (to.byteLength > 0) encoder.copyBufferToBuffer(from, offsetBytes, buffer, at, to.byteLength);
      at += to.byteLength;
    }
    return async (arrived) => {
      await buffer.mapAsync(GPUMapMode.READ);
      const values = new Float32Array(buffer.getMappedRange());
      let begin = 0;
      for (const { to } of stretches) {
        to.set(values.subarray(begin, begin + to.length));
        begin += to.length;
      }
      buffer.unmap();
      this.#idle.get(sizeBytes)!.push(buffer);
      await arrived?.();
    };
  }

  #create(sizeBytes: number): GPUBuffer {
    if (!this.#idle.has(sizeBytes)) this.#idle.set(sizeBytes, []);
    return this.#device.createBuffer({
      label: "staging",
      size: sizeBytes,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
  }
}
