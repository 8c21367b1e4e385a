// Puts tf.js on its wasm backend; the binaries lie in its package.

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";

export async function useTfjsWasm(): Promise<void> {
  const directory = dirname(fileURLToPath(import.meta.resolve("@tensorflow/tfjs-backend-wasm")));
  setWasmPaths(join(directory, "/"));
  await tf.setBackend("wasm");
  if (tf.getBackend() !== "wasm") throw new Error(`expected tfjs's wasm backend, got ${tf.getBackend()}`);
}
