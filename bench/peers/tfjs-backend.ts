// Which of tf.js's backends is the peer of a device. Imports nothing of tf.js, which may not be installed.

/** What the peers' scripts are started with. `adapter`: of webgpu, its name. */
export function tfjsBackendOf(device: "wasm" | "webgpu", adapter?: string): readonly string[] {
  return device === "wasm" ? ["wasm"] : ["webgpu", ...(adapter === undefined ? [] : [adapter])];
}

export function tfjsSuggestion(device: "wasm" | "webgpu"): string {
  return `Install @tensorflow/tfjs-core and @tensorflow/tfjs-backend-${device} 4.22 beside sltrain.`;
}
