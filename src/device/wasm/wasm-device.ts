// The WASM device: all tensors in one memory, one WebAssembly module per program, on the thread that calls it and, if it
// is given some, on helper threads.

import { assert } from "../../errors.ts";
import type { WasmTarget } from "../../kernels/wasm/kernel.ts";
import { FLOAT_BYTES } from "../../wasm/lanes.ts";
import type { Device, DeviceVector, Plan, Program, Step, ValueId } from "../device.ts";
import { bindVectors } from "../bind-vectors.ts";
import { compileProgram } from "./compile.ts";
import { runCalls } from "./run-calls.ts";
import { probeWasmTarget } from "./target.ts";
import { ThreadPool } from "./thread-pool.ts";
import { MAXIMUM_PAGES, WasmMemory } from "./wasm-memory.ts";

export interface WasmDeviceOptions {
  /** Upper bound of the memory, in pages of 64 KiB. */
  readonly maximumPages?: number;
  /** Probed if it is not given. */
  readonly target?: WasmTarget;
  /** Threads that share the large kernels, the calling one included. Default 1. They don't change a bit of a result. */
  readonly threads?: number;
}

export interface WasmDevice extends Device {
  readonly name: "wasm";
  readonly target: WasmTarget;
}

interface WasmVector extends DeviceVector {
  readonly address: number;
}

/** A stretch of memory that programs share one after the other. */
class SharedRegion {
  readonly #memory: WasmMemory;
  readonly #label: string;
  #address = 0;
  #sizeBytes = 0;

  constructor(memory: WasmMemory, label: string) {
    this.#memory = memory;
    this.#label = label;
  }

  /** Its address; moves to a new place if it is too small (programs compiled before keep the old one). */
  reserve(sizeBytes: number): number {
    if (sizeBytes > this.#sizeBytes) {
      this.#address = this.#memory.allocate(sizeBytes, this.#label);
      this.#sizeBytes = sizeBytes;
    }
    return this.#address;
  }
}

export async function createWasmDevice(options: WasmDeviceOptions = {}): Promise<WasmDevice> {
  const target = options.target ?? (await probeWasmTarget());
  const memory = new WasmMemory(options.maximumPages ?? MAXIMUM_PAGES);
  const arena = new SharedRegion(memory, "the arena");
  const scratch = new SharedRegion(memory, "the kernels' scratch");
  const threads = options.threads ?? 1;
  const pool = threads > 1 ? new ThreadPool(memory.memory, threads - 1) : undefined;
  const allocated = new WeakSet<DeviceVector>();
  let running = false;

  const own = (vector: DeviceVector): WasmVector => {
    assert(allocated.has(vector), `vector ${vector.label} is not of this wasm device`);
    return vector as WasmVector;
  };

  const viewOf = (vector: DeviceVector): Float32Array => {
    const { address, elements } = own(vector);
    return new Float32Array(memory.memory.buffer, address, elements);
  };

  async function compile(
    program: Program,
    plan: Plan,
    vectors: Readonly<Record<string, DeviceVector>>,
  ): Promise<Step> {
    const bound = bindVectors("wasm", program, vectors, own);
    const arenaBytes = plan.arenaElements * FLOAT_BYTES;
    const arenaAddress = arena.reserve(arenaBytes);
    const addressOf = (id: ValueId): number => {
      const { place } = program.values[id]!;
      return place.kind === "arena"
        ? arenaAddress + plan.offsets[id]! * FLOAT_BYTES
        : bound.get(place.vector)!.address + place.offset * FLOAT_BYTES;
    };
    const reserveScratch = (sizeBytes: number): number => scratch.reserve(sizeBytes);
    const { calls, kernelNames } = await compileProgram(program, {
      ...{ target, memory, addressOf, reserveScratch, pool },
    });
    return {
      arenaBytes,
      kernelNames,
      async run(options) {
        assert(!running, "two steps of one wasm device run at the same time");
        running = true;
        try {
          await runCalls(calls, pool, options);
        } finally {
          running = false;
        }
      },
    };
  }

  return {
    name: "wasm",
    target,
    alloc(elements, label) {
      const address = memory.allocate(elements * FLOAT_BYTES, label);
      const vector: WasmVector = { elements, label, address };
      allocated.add(vector);
      return vector;
    },
    runsUnderWay: 1,
    mirror: viewOf,
    readF32: (vector) => Promise.resolve(viewOf(vector)),
    write(vector, offset, data) {
      const { address, elements, label } = own(vector);
      assert(
        offset >= 0 && offset + data.length <= elements,
        `write of ${data.length} elements at ${offset} into ${label}, which has ${elements}`,
      );
      const { buffer } = memory.memory;
      if (data.buffer === buffer && data.byteOffset === address + offset * FLOAT_BYTES) return;
      const view =
        data instanceof Int32Array
          ? new Int32Array(buffer, address, elements)
          : new Float32Array(buffer, address, elements);
      view.set(data, offset);
    },
    compile,
    // The memory goes when nobody holds the device or a view any more.
    destroy: () => pool?.close(),
  };
}
