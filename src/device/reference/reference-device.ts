// The oracle among devices: runs the reference kernels in float32 or float64 over plain arrays. It obeys the memory
// plan as the others do, so that a wrong plan shows as a wrong result. Its kernels allocate and are slow.

import { setImmediate } from "node:timers/promises";
import { SltrainError, assert } from "../../errors.ts";
import type { KernelCall, ReferenceKernel } from "../../kernels/kernel.ts";
import { referenceKernels } from "../../kernels/reference/index.ts";
import { elementCount, formatType, type TensorData } from "../../kernels/tensor.ts";
import { bindVectors } from "../bind-vectors.ts";
import { byInstruction, tell } from "../read-backs.ts";
import type { Device, DeviceVector, Instruction, Plan, Program, Step, Value, ValueId } from "../device.ts";

export interface ReferenceDevice extends Device {
  readonly precision: Precision;
  /** As `readF32`, in float64: a view of the memory itself at "f64", a copy at "f32". */
  readF64(vector: DeviceVector): Float64Array;
  /** As `write`, without rounding to float32 at "f64". */
  writeF64(vector: DeviceVector, offset: number, data: Float64Array): void;
}

export type Precision = "f32" | "f64";

/** Elements as floats and as integers. At "f32" both view the same bytes; at "f64", where sizes differ, they do not. */
interface Memory {
  readonly floats: Float32Array | Float64Array;
  readonly integers: Int32Array;
}

interface ReferenceVector extends DeviceVector, Memory {}

interface BoundCall {
  /** None for a view. */
  readonly kernelName?: string;
  readonly run: () => void;
}

/** Between two instructions, gives way to the event loop when this long has passed. */
const YIELD_AFTER_MS = 10;

const kernels: Readonly<Partial<Record<string, ReferenceKernel>>> = referenceKernels;

function allocate(precision: Precision, elements: number): Memory {
  if (precision === "f64") return { floats: new Float64Array(elements), integers: new Int32Array(elements) };
  const floats = new Float32Array(elements);
  return { floats, integers: new Int32Array(floats.buffer) };
}

function kernelFor({ op, inputs }: Instruction, values: readonly Value[]): ReferenceKernel {
  const kernel = kernels[op.name];
  if (kernel === undefined) {
    const types = inputs.map((input) => formatType(values[input]!.type)).join(", ");
    throw new SltrainError({
      code: "kernel-missing",
      message: `reference device: no kernel for ${op.name}(${types})`,
    });
  }
  return kernel;
}

/** At "f64" every f32 tensor is computed in float64, so that gradients can be checked against finite differences. */
export function createReferenceDevice({ precision }: { readonly precision: Precision }): ReferenceDevice {
  const allocated = new WeakSet<DeviceVector>();
  const own = (vector: DeviceVector): ReferenceVector => {
    assert(allocated.has(vector), `vector ${vector.label} is not of this reference device`);
    return vector as ReferenceVector;
  };
  let running = false;

  /** At "f64" the memory has no view in float32. */
  const rounded = new WeakMap<DeviceVector, Float32Array>();
  const mirrorOf = (vector: DeviceVector): Float32Array => {
    const { floats, elements } = own(vector);
    if (floats instanceof Float32Array) return floats;
    if (!rounded.has(vector)) rounded.set(vector, new Float32Array(elements));
    return rounded.get(vector)!;
  };
  const refreshMirror = (vector: DeviceVector, begin: number, end: number): void => {
    const [{ floats }, mirror] = [own(vector), mirrorOf(vector)];
    if (floats !== mirror) mirror.set(floats.subarray(begin, end), begin);
  };

  function compile(program: Program, plan: Plan, vectors: Readonly<Record<string, DeviceVector>>): Step {
    const owned = bindVectors("reference", program, vectors, own);
    const arena = allocate(precision, plan.arenaElements);
    const bind = (id: ValueId): TensorData => {
      const { type, place } = program.values[id]!;
      const memory = place.kind === "arena" ? arena : owned.get(place.vector)!;
      const offset = place.kind === "arena" ? plan.offsets[id]! : place.offset;
      return (type.dtype === "i32" ? memory.integers : memory.floats).subarray(
        offset,
        offset + elementCount(type),
      );
    };
    const typeOf = (id: ValueId) => program.values[id]!.type;
    const calls = program.instructions.map((instruction): BoundCall => {
      const { op, params } = instruction;
      const [inputs, outputs] = [instruction.inputs.map(bind), instruction.outputs.map(bind)];
      // Where both are one memory, nothing changes.
      if (op.view === true) return { run: () => outputs[0]!.set(inputs[0]!) };
      const kernel = kernelFor(instruction, program.values);
      const call: KernelCall = {
        params,
        inputs: instruction.inputs.map(typeOf),
        outputs: instruction.outputs.map(typeOf),
      };
      return {
        kernelName: `reference-${precision}-${op.name}`,
        run: () => kernel.run(call, inputs, outputs),
      };
    });

    return {
      arenaBytes: plan.arenaElements * arena.floats.BYTES_PER_ELEMENT,
      kernelNames: calls.map(({ kernelName }) => kernelName),
      async run({ readBacks = [] } = {}) {
        const dues = byInstruction(readBacks);
        let nextDue = 0;
        assert(!running, "two steps of one reference device run at the same time");
        running = true;
        try {
          // Whatever reads what no instruction of this run wrote, shows.
          arena.floats.fill(NaN);
          let yieldedAt = performance.now();
          for (const [index, call] of calls.entries()) {
            call.run();
            const due = dues[nextDue]?.after === index ? dues[nextDue++] : undefined;
            due?.readBacks.forEach(({ vector, begin, end }) => refreshMirror(vector, begin, end));
            const pending = due && tell(due);
            if (pending !== undefined) await pending;
            else if (performance.now() - yieldedAt > YIELD_AFTER_MS) await setImmediate();
            else continue;
            yieldedAt = performance.now();
          }
        } finally {
          running = false;
        }
      },
    };
  }

  return {
    name: "reference",
    precision,
    alloc(elements, label) {
      const vector: ReferenceVector = { elements, label, ...allocate(precision, elements) };
      allocated.add(vector);
      return vector;
    },
    runsUnderWay: 1,
    mirror: mirrorOf,
    readF32(vector) {
      refreshMirror(vector, 0, vector.elements);
      return Promise.resolve(mirrorOf(vector));
    },
    readF64(vector) {
      const { floats } = own(vector);
      return floats instanceof Float64Array ? floats : Float64Array.from(floats);
    },
    write(vector, offset, data) {
      const { floats, integers, elements, label } = own(vector);
      assert(
        offset >= 0 && offset + data.length <= elements,
        `write of ${data.length} elements at ${offset} into ${label}, which has ${elements}`,
      );
      (data instanceof Int32Array ? integers : floats).set(data, offset);
    },
    writeF64(vector, offset, data) {
      own(vector).floats.set(data, offset);
    },
    compile: (program, plan, vectors) => Promise.resolve().then(() => compile(program, plan, vectors)),
    destroy() {
      // The memory is the garbage collector's.
    },
  };
}
