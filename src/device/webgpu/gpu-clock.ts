// How long the GPU works on compute passes, by its own clock: submission and waiting do not count.
// https://www.w3.org/TR/webgpu/#timestamp

const TIMESTAMP_BYTES = 8;
const PASS_BYTES = 2 * TIMESTAMP_BYTES;

/** Times one pass of one submission. */
export interface PassTimer {
  /** What the pass is begun with. */
  readonly timestampWrites: GPUComputePassTimestampWrites;
  /** Once, after the pass, in the same encoder. */
  resolve(encoder: GPUCommandEncoder): void;
  /** Once, after the submission: adds the pass to the clock's `busyMs` when it has been run. */
  read(): Promise<void>;
}

export class GpuClock {
  readonly #device: GPUDevice;
  /** Those that no submission in flight uses. */
  readonly #idle: PassTimer[] = [];
  #busyMs = 0;

  /** The device needs the feature `timestamp-query`. */
  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** GPU time in ms of all passes that were read so far. */
  get busyMs(): number {
    return this.#busyMs;
  }

  timePass(): PassTimer {
    return this.#idle.pop() ?? this.#createTimer();
  }

  #createTimer(): PassTimer {
    const device = this.#device;
    const querySet = device.createQuerySet({ type: "timestamp", count: 2 });
    const resolved = device.createBuffer({
      size: PASS_BYTES,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
    const staging = device.createBuffer({
      size: PASS_BYTES,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    const timer: PassTimer = {
      timestampWrites: { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 },
      resolve(encoder) {
        encoder.resolveQuerySet(querySet, 0, 2, resolved, 0);
        encoder.copyBufferToBuffer(resolved, 0, staging, 0, PASS_BYTES);
      },
      read: async () => {
        await staging.mapAsync(GPUMapMode.READ);
        const [beganNs, endedNs] = new BigUint64Array(staging.getMappedRange()) as unknown as [
          bigint,
          bigint,
        ];
        // An adapter whose clock was set back in between says nothing of this pass.
        if (endedNs > beganNs) this.#busyMs += Number(endedNs - beganNs) / 1e6;
        staging.unmap();
        this.#idle.push(timer);
      },
    };
    return timer;
  }
}
