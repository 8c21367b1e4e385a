// tf.js as @tensorflow/tfjs puts it together, without the backends for browsers: ops, their gradients, chained ops, and the
// backends cpu and wasm, the latter with sltrain's kernels.

import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { completeTfjsCore } from "../../bench/peers/tfjs-core.ts";
import { registerKernels } from "../../src/tfjs/index.ts";

await completeTfjsCore();
await registerKernels();

export type BackendName = "cpu" | "wasm";

export async function on<T>(backend: BackendName, work: () => T): Promise<T> {
  await tf.setBackend(backend);
  return work();
}

/** The tensors that `compute` returns, as each backend computes them. */
export async function onBoth(
  compute: () => readonly tf.Tensor[],
): Promise<Readonly<Record<BackendName, readonly tf.TypedArray[]>>> {
  const values = () => tf.tidy(() => compute().map((tensor) => tensor.dataSync()));
  return { cpu: await on("cpu", values), wasm: await on("wasm", values) };
}

/** The largest difference, as a share of the largest number expected. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  const numbers = Array.from(expected);
  const largest = numbers.reduce((most, value) => Math.max(most, Math.abs(value)), Number.MIN_VALUE);
  const differences = numbers.map((value, i) => Math.abs(actual[i]! - value));
  // A NaN must not pass for the smaller one.
  return differences.reduce((most, value) => (value <= most ? most : value), 0) / largest;
}

/** Numbers in [-1, 1] that look random and are the same on every backend. */
export function numbers<R extends tf.Rank>(shape: tf.ShapeMap[R], seed = 1): tf.Tensor<R> {
  const size = tf.util.sizeFromShape([...(shape as number[])]);
  const values = Float32Array.from({ length: size }, (_, i) => Math.sin(0.37 * i * i + 91.7 * seed + i));
  return tf.tensor(values, shape);
}
