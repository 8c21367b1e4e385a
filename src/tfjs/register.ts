// Puts sltrain's kernels into tf.js's registry: the ones that its wasm backend lacks, and others instead of its own, which
// remain for what ours do not do.

// It must have registered its own kernels before they are replaced.
import "@tensorflow/tfjs-backend-wasm";
import {
  getKernel,
  registerKernel,
  unregisterKernel,
  type KernelConfig,
  type KernelFunc,
} from "@tensorflow/tfjs-core";
import { probeWasmTarget } from "../device/wasm/target.ts";
import { SltrainError } from "../errors.ts";
import type { WasmTarget } from "../kernels/wasm/kernel.ts";
import { compute } from "./compute.ts";
import { Heap, type Backend } from "./heap.ts";
import type { AnyKernelRule } from "./kernel-rule.ts";
import { Routines } from "./routines.ts";
import { kernelRules } from "./rules/index.ts";

const BACKEND = "wasm";

export interface RegisterOptions {
  /**
   * Sets V8's flag `--experimental-wasm-revectorize` for the whole process: on x64 it joins 128-bit operations into
   * 256-bit ones, in tf.js's own kernels too. Call it before anything of WebAssembly is compiled. Results do not change.
   */
  readonly revectorize?: boolean;
}

/** tf.js's own kernels, which ours have replaced; undefined where there was none. */
const originals = new Map<string, KernelConfig | undefined>();

/**
 * Registers sltrain's kernels with tf.js's wasm backend, which may be in use already. A second call replaces what the
 * first one did. Throws SltrainError "simd-missing" if the engine has no 128-bit SIMD.
 */
export async function registerKernels({ revectorize = false }: RegisterOptions = {}): Promise<void> {
  const target = await probeWasmTarget({ revectorize });
  const stateOf = backendStates(target);
  for (const rule of kernelRules) {
    const { kernelName } = rule;
    if (!originals.has(kernelName)) originals.set(kernelName, findKernel(kernelName));
    const original = originals.get(kernelName);
    if (findKernel(kernelName) !== undefined) unregisterKernel(kernelName, BACKEND);
    registerKernel({
      ...original,
      kernelName,
      backendName: BACKEND,
      kernelFunc: kernelFunction(rule, original?.kernelFunc, stateOf),
    });
  }
}

/** tf.js's types leave out that there may be none. */
function findKernel(kernelName: string): KernelConfig | undefined {
  return getKernel(kernelName, BACKEND);
}

type StateOf = (backend: Backend) => { readonly heap: Heap; readonly routines: Routines };

/** A backend that is disposed of takes its memory, and what was compiled for it, along. */
function backendStates(target: WasmTarget): StateOf {
  const states = new WeakMap<Backend, ReturnType<StateOf>>();
  return (backend) => {
    let state = states.get(backend);
    if (state === undefined) {
      const heap = new Heap(backend);
      state = { heap, routines: new Routines(heap.memory, target) };
      states.set(backend, state);
    }
    return state;
  };
}

function kernelFunction(
  { kernelName, translate }: AnyKernelRule,
  original: KernelFunc | undefined,
  stateOf: StateOf,
): KernelFunc {
  return (call) => {
    const computation = translate(call.inputs, call.attrs ?? {});
    const { heap, routines } = stateOf(call.backend as Backend);
    const result = typeof computation === "string" ? computation : compute(computation, heap, routines);
    if (typeof result !== "string") return result;
    if (original !== undefined) return original(call);
    throw new SltrainError({
      code: "kernel-missing",
      message: `sltrain/tfjs: ${kernelName} has no kernel for ${result}, and tf.js's wasm backend has none at all`,
      suggestions: [
        'Use dtype float32, dataFormat "NHWC" and padding "same" or "valid", or another backend.',
      ],
    });
  };
}
