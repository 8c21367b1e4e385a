// The WASM device: all tensors in one memory, one WebAssembly module per program, on the thread that calls it.

import { setImmediate } from "node:timers/promises";
import { assert } from "../../errors.ts";
import type { WasmTarget } from "../../kernels/wasm/kernel.ts";
import { FLOAT_BYTES } from "../../kernels/wasm/lanes.ts";
import type { Device, DeviceVector, Plan, Program, Step, ValueId } from "../device.ts";
import { bindVectors } from "../bind-vectors.ts";
import { compileProgram } from "./compile.ts";
import { probeWasmTarget } from "./target.ts";
import { MAXIMUM_PAGES, WasmMemory } from "./wasm-memory.ts";

export interface WasmDeviceOptions {
  /** Upper bound of the memory, in pages of 64 KiB. */
  readonly maximumPages?: number;
  /** Probed if it is not given. */
  readonly target?: WasmTarget;
}

export interface WasmDevice extends Device {
  readonly name: "wasm";
  readonly target: WasmTarget;
}

/** After this long a step gives way to the event loop. */
const YIELD_AFTER_MS = 10;

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
  const allocated = new WeakSet<DeviceVector>();
  let running = false;

  const own = (vector: DeviceVector): WasmVector => {
    assert(allocated.has(vector), `vector ${vector.label} is not of this wasm device`);
    return vector as WasmVector;
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
    const { calls, kernelNames } = await compileProgram(program, target, memory, addressOf, (sizeBytes) =>
      scratch.reserve(sizeBytes),
    );
    return {
      arenaBytes,
      kernelNames,
      async run({ onInstruction } = {}) {
        assert(!running, "two steps of one wasm device run at the same time");
        running = true;
        try {
          let yieldedAt = performance.now();
          let now = yieldedAt;
          for (const [index, phases] of calls.entries()) {
            for (const phase of phases) {
              for (let begin = 0; begin < phase.extent;) {
                const slice = phase.runFrom(begin, now);
                begin = slice.end;
                now = slice.endedAt;
                if (now - yieldedAt < YIELD_AFTER_MS) continue;
                await setImmediate();
                yieldedAt = now = performance.now();
              }
            }
            const pending = onInstruction?.(index);
            if (pending !== undefined) await pending;
            if (onInstruction !== undefined) now = performance.now();
          }
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
    readF32(vector) {
      const { address, elements } = own(vector);
      return Promise.resolve(new Float32Array(memory.memory.buffer, address, elements));
    },
    write(vector, offset, data) {
      const { address, elements, label } = own(vector);
      assert(
        offset >= 0 && offset + data.length <= elements,
        `write of ${data.length} elements at ${offset} into ${label}, which has ${elements}`,
      );
      const view =
        data instanceof Int32Array
          ? new Int32Array(memory.memory.buffer, address, elements)
          : new Float32Array(memory.memory.buffer, address, elements);
      view.set(data, offset);
    },
    compile,
    // The memory goes when nobody holds the device or a view any more.
    destroy: () => undefined,
  };
}
