// A model's flat vectors on its device, under their names, and programs that are compiled on them.

import type { Device, DeviceVector, Plan, Program, ReadBack, Step } from "../device/device.ts";
import { assert } from "../errors.ts";
import { allocateVectors } from "../graph/vectors.ts";

/** A program with the vectors it runs on; inputs and results are its own, the rest is shared by all programs. */
export interface Compiled {
  readonly step: Step;
  readonly lastInstruction: number;
  readonly vectors: Readonly<Record<string, DeviceVector>>;
}

/** As `ReadBack`, of a shared vector by its name. */
export interface VectorReadBack extends Omit<ReadBack, "vector"> {
  readonly vector: string;
}

export class ModelVectors {
  readonly device: Device;
  readonly #shared: Record<string, DeviceVector> = {};

  /** Those of these names begin with so many zeros; others come with the programs that need them. */
  constructor(device: Device, lengths: Readonly<Record<string, number>>) {
    this.device = device;
    for (const [name, length] of Object.entries(lengths)) this.#shared[name] = device.alloc(length, name);
  }

  get names(): readonly string[] {
    return Object.keys(this.#shared);
  }

  get(name: string): DeviceVector {
    const vector = this.#shared[name];
    assert(vector !== undefined, `the replica has no vector ${name}`);
    return vector;
  }

  /** As host memory (see Device.mirror); to be seen by a GPU, what is changed there is to be written. */
  read(name: string): Promise<Float32Array> {
    return this.device.readF32(this.get(name));
  }

  /** As `read`, as of the last time that it was read back. */
  mirror(name: string): Float32Array {
    return this.device.mirror(this.get(name));
  }

  /** Free of charge where `data` is what `read` gave and the device's memory is the host's. */
  write(name: string, data: Float32Array | Int32Array): void {
    this.device.write(this.get(name), 0, data);
  }

  async compile({ program, plan }: { readonly program: Program; readonly plan: Plan }): Promise<Compiled> {
    const vectors = allocateVectors(this.device, program, this.#shared);
    for (const [name, vector] of Object.entries(vectors)) {
      if (!name.startsWith("input.") && !name.startsWith("result.")) this.#shared[name] = vector;
    }
    return {
      step: await this.device.compile(program, plan, vectors),
      lastInstruction: program.instructions.length - 1,
      vectors,
    };
  }
}
