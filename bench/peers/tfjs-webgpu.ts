// Puts tf.js on its webgpu backend, in Node through Dawn: the package looks for a browser's globals when it is imported.

import * as tf from "@tensorflow/tfjs-core";
import { platformBackend } from "../../src/device/webgpu/adapters.ts";
import { openDawn } from "../../src/device/webgpu/dawn.ts";

/** `adapter`: its name. The second part of tf.js's setup, gradients, is tfjs-wasm.ts's. */
export async function useTfjsWebGpu(adapter?: string): Promise<void> {
  const gpu = await openDawn(platformBackend(), adapter === undefined ? {} : { adapter });
  Object.defineProperty(globalThis.navigator, "gpu", { value: gpu });
  await import("@tensorflow/tfjs-backend-webgpu");
  await tf.setBackend("webgpu");
  if (tf.getBackend() !== "webgpu") throw new Error(`expected tfjs's webgpu backend, got ${tf.getBackend()}`);
}

/** Resolves when the GPU has done all that was asked of it. */
export async function settleTfjsWebGpu(): Promise<void> {
  const backend = tf.backend() as unknown as {
    endComputePassEncoder(): void;
    submitQueue(): void;
    readonly queue: GPUQueue;
    readonly commandEncoder: GPUCommandEncoder | null;
  };
  backend.endComputePassEncoder();
  if (backend.commandEncoder !== null) backend.submitQueue();
  await backend.queue.onSubmittedWorkDone();
}

/** GPU time of `run` in ms; from its call to its completion where the adapter has no timestamps. */
export async function timeTfjsWebGpu(run: () => void): Promise<number> {
  const { supportTimestampQuery } = tf.backend() as unknown as { readonly supportTimestampQuery: boolean };
  if (!supportTimestampQuery) {
    const beganMs = performance.now();
    run();
    await settleTfjsWebGpu();
    return performance.now() - beganMs;
  }
  const { kernelMs } = await tf.time(run);
  if (typeof kernelMs !== "number") throw new Error(`tfjs does not tell its GPU time: ${kernelMs.error}`);
  return kernelMs;
}
