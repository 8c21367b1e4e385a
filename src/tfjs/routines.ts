// sltrain's kernels compiled for the memory of tf.js's backend: one module for each op, shapes and params, addresses as
// parameters. As many are kept as were used last, for programs whose shapes never repeat.

import type { KernelCall } from "../kernels/kernel.ts";
import type { AnyOp } from "../kernels/op.ts";
import type { TensorType } from "../kernels/tensor.ts";
import { chooseWasmKernel } from "../kernels/wasm/choose.ts";
import { ModuleBuilder } from "../wasm/emitter.ts";
import { SLACK_BYTES, type WasmTarget } from "../kernels/wasm/kernel.ts";

/** All addresses that WebAssembly has; a memory's own maximum is at most this. */
const MAXIMUM_PAGES = 65536;
const KEPT_ROUTINES = 1000;

export interface Routine {
  readonly outputShape: readonly number[];
  readonly workspaceBytes: number;
  /** Addresses: of the inputs, of the output, of the workspace. */
  readonly run: (inputs: readonly number[], output: number, workspace: number) => void;
}

export class Routines {
  readonly #memory: WebAssembly.Memory<ArrayBufferLike>;
  readonly #target: WasmTarget;
  /** Least recently used first. */
  readonly #routines = new Map<string, Routine>();

  constructor(memory: WebAssembly.Memory<ArrayBufferLike>, target: WasmTarget) {
    this.#memory = memory;
    this.#target = target;
  }

  /** Undefined if no kernel accepts the call. Throws SltrainError "shape-mismatch" if the operands do not fit the op. */
  find(op: AnyOp, inputs: readonly TensorType[], params: object): Routine | undefined {
    const key = `${op.name} ${JSON.stringify([inputs, params])}`;
    const known = this.#routines.get(key);
    const routine = known ?? this.#compile(op, { inputs, outputs: op.infer(inputs, params), params });
    if (routine === undefined) return undefined;
    this.#routines.delete(key);
    this.#routines.set(key, routine);
    if (this.#routines.size > KEPT_ROUTINES) this.#routines.delete(this.#routines.keys().next().value!);
    return routine;
  }

  #compile(op: AnyOp, call: KernelCall): Routine | undefined {
    const kernel = chooseWasmKernel(op, call, this.#target);
    if (kernel === undefined) return undefined;
    const isShared = this.#memory.buffer instanceof SharedArrayBuffer;
    const module = new ModuleBuilder({
      relaxedSimd: this.#target.relaxedSimd,
      ...(isShared ? { maximumPages: MAXIMUM_PAGES } : {}),
    });
    const { phases, sharedBytes, scratchBytes } = kernel.emit(module, call);
    phases.forEach(({ func }, index) => {
      module.export(String(index), func);
    });
    // tf.js's kernels run at once: there is no waiting for a compilation.
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.toBytes()), {
      env: { memory: this.#memory },
    });
    const calls = phases.map(({ extent }, index) => {
      const run = exports[index] as (...args: readonly number[]) => void;
      return { run, extent };
    });
    const scratchOffset = Math.ceil(sharedBytes / SLACK_BYTES) * SLACK_BYTES;
    return {
      outputShape: call.outputs[0]!.shape,
      workspaceBytes: scratchOffset + scratchBytes,
      run(inputs, output, workspace) {
        const shared = sharedBytes > 0 ? [workspace] : [];
        for (const { run, extent } of calls)
          run(0, extent, ...inputs, output, ...shared, workspace + scratchOffset);
      },
    };
  }
}
