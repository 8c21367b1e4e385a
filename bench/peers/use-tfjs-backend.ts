// Puts tf.js on the backend that its script was started with (tfjs-backend.ts).

export interface TfjsClock {
  /** ms that `run` takes on the backend; of a GPU by its own clock where it has one. */
  timeMs(run: () => void): Promise<number>;
}

export async function useTfjsBackend([backend = "wasm", adapter]: readonly string[]): Promise<TfjsClock> {
  if (backend === "webgpu") {
    const { timeTfjsWebGpu, useTfjsWebGpu } = await import("./tfjs-webgpu.ts");
    await useTfjsWebGpu(adapter);
    return { timeMs: timeTfjsWebGpu };
  }
  const { useTfjsWasm } = await import("./tfjs-wasm.ts");
  await useTfjsWasm();
  return {
    timeMs(run) {
      const beganMs = performance.now();
      run();
      return Promise.resolve(performance.now() - beganMs);
    },
  };
}
