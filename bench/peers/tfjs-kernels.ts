// The peer of the kernel bench: tf.js's wasm or webgpu backend as its users have it, in a process of its own with V8's
// default flags. Answers cases line by line (peer-process.ts).

import { createInterface } from "node:readline";
import * as tf from "@tensorflow/tfjs-core";
import { summariseTimes } from "../statistics.ts";
import { useTfjsBackend } from "./use-tfjs-backend.ts";

export interface PeerCase {
  readonly op: string;
  readonly inputs: readonly { readonly dtype: "f32" | "i32"; readonly shape: readonly number[] }[];
  readonly params: Readonly<Record<string, unknown>>;
}

/** What it says of itself before it is asked. */
export interface TfjsFacts {
  readonly tfjs: string;
}

export interface PeerAnswer {
  /** null where tf.js has no such kernel on its backend, and where its webgpu backend computes on the processor. */
  readonly medianMs: number | null;
}

const SAMPLES = 9;
const WARM_UP_SAMPLES = 3;
const SAMPLE_MS = 2;
const BUDGET_MS = 150;
/** What takes this long at the first call is not called again. */
const LONG_MS = 300;
/** On webgpu each has timestamps of its own to be read back. */
const MAX_REPEATS = 200;

type Pair = [number, number];
type Shape4 = [number, number, number, number];
type PeerOp = (inputs: readonly tf.Tensor[], params: Readonly<Record<string, unknown>>) => tf.Tensor;

const activation = (params: Readonly<Record<string, unknown>>) =>
  params.activation === "relu" ? "relu" : "linear";

function convolution(op: typeof tf.fused.conv2d | typeof tf.fused.depthwiseConv2d): PeerOp {
  return ([x, filter, bias], params) =>
    op({
      x: x as tf.Tensor4D,
      filter: filter as tf.Tensor4D,
      strides: params.strides as Pair,
      pad: params.padding as "same" | "valid",
      ...(bias ? { bias } : {}),
      activation: activation(params),
    });
}

/** `inputs` are tf.js's names of our operands, in our order. */
function convolutionGradient(kernel: string, inputs: readonly [string, string]): PeerOp {
  return ([first, second], { inputShape, filterShape, strides, padding }) =>
    tf.engine().runKernel(
      kernel,
      { [inputs[0]]: first!, [inputs[1]]: second! },
      {
        ...(inputShape === undefined ? {} : { inputShape: inputShape as Shape4 }),
        ...(filterShape === undefined ? {} : { filterShape: filterShape as Shape4 }),
        strides: strides as Pair,
        pad: padding as string,
        dilations: [1, 1],
        dataFormat: "NHWC",
        dimRoundingMode: undefined!,
      },
    );
}

/** How a tf.js user would say it. What is not here has no direct counterpart (optimisers, fused losses, dropout). */
const PEER_OPS: Readonly<Record<string, PeerOp>> = {
  dense: ([a, b, bias], params) =>
    tf.fused.matMul({ a: a!, b: b!, ...(bias ? { bias } : {}), activation: activation(params) }),
  matmul: ([a, b], { transposeA, transposeB }) =>
    tf.matMul(a!, b!, transposeA as boolean, transposeB as boolean),
  conv2d: convolution(tf.fused.conv2d),
  "conv2d-input-grad": convolutionGradient("Conv2DBackpropInput", ["dy", "filter"]),
  "conv2d-filter-grad": convolutionGradient("Conv2DBackpropFilter", ["x", "dy"]),
  "depthwise-conv2d": convolution(tf.fused.depthwiseConv2d),
  "depthwise-conv2d-input-grad": convolutionGradient("DepthwiseConv2dNativeBackpropInput", ["dy", "filter"]),
  "depthwise-conv2d-filter-grad": convolutionGradient("DepthwiseConv2dNativeBackpropFilter", ["x", "dy"]),
  "max-pool": ([x], { poolSize, strides, padding }) =>
    tf.maxPool(x as tf.Tensor4D, poolSize as Pair, strides as Pair, padding as "same" | "valid"),
  "max-pool-grad": ([x, y, dy], { poolSize, strides, padding }) =>
    tf
      .engine()
      .runKernel(
        "MaxPoolGrad",
        { dy: dy!, input: x!, output: y! },
        { filterSize: poolSize as Pair, strides: strides as Pair, pad: padding as string },
      ),
  "avg-pool": ([x], { poolSize, strides, padding }) =>
    tf.avgPool(x as tf.Tensor4D, poolSize as Pair, strides as Pair, padding as "same" | "valid"),
  "bias-add": ([x, bias]) => tf.add(x!, bias!),
  "column-sum": ([x]) => tf.sum(tf.reshape(x!, [-1, x!.shape.at(-1)!]), 0),
  add: ([a, b]) => tf.add(a!, b!),
  relu: ([x]) => tf.relu(x!),
  tanh: ([x]) => tf.tanh(x!),
  sigmoid: ([x]) => tf.sigmoid(x!),
  softmax: ([x]) => tf.softmax(x!),
};

async function measure({ op, inputs, params }: PeerCase): Promise<number | null> {
  const run = PEER_OPS[op];
  if (!run) return null;
  const tensors = inputs.map(({ dtype, shape }) =>
    dtype === "i32" ? tf.zeros([...shape], "int32") : tf.randomNormal([...shape], 0, 1, "float32", 1),
  );
  const timeMs = async (repeats: number): Promise<number> => {
    const totalMs = await clock.timeMs(() => {
      for (let i = 0; i < repeats; i++) tf.dispose(run(tensors, params));
    });
    return totalMs / repeats;
  };
  try {
    const firstMs = await timeMs(1);
    if (firstMs === 0) return null;
    if (firstMs > LONG_MS) return firstMs;
    const repeats = Math.min(
      MAX_REPEATS,
      Math.max(1, Math.ceil(SAMPLE_MS / Math.max(await timeMs(1), 1e-3))),
    );
    const timesMs: number[] = [];
    const endMs = performance.now() + BUDGET_MS;
    for (let sample = -WARM_UP_SAMPLES; sample < SAMPLES; sample++) {
      const sampleMs = await timeMs(repeats);
      if (sample >= 0) timesMs.push(sampleMs);
      if (timesMs.length > 0 && performance.now() > endMs) break;
    }
    return summariseTimes(timesMs).medianMs;
  } catch (error) {
    // "Kernel 'X' not registered for backend 'Y'": what tfjs lacks is a result, anything else is an error.
    if (error instanceof Error && error.message.includes("not registered")) return null;
    throw error;
  } finally {
    tf.dispose(tensors);
  }
}

const clock = await useTfjsBackend(process.argv.slice(2));
const say = (answer: TfjsFacts | PeerAnswer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
say({ tfjs: tf.version_core });
for await (const line of createInterface({ input: process.stdin })) {
  say({ medianMs: await measure(JSON.parse(line) as PeerCase) });
}
