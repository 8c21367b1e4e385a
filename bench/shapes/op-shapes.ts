// Calls that are benched besides those of the built-in models: square products, ops that no model has, and operands
// far beyond the caches, where a kernel can do no better than memory does.

import type { KernelCall } from "../../src/kernels/kernel.ts";
import type { AnyOp } from "../../src/kernels/op.ts";
import { ops, type OpName, type ParamsOf } from "../../src/kernels/ops/index.ts";
import { f32, i32, type TensorType } from "../../src/kernels/tensor.ts";

export interface OpShape {
  readonly op: OpName;
  readonly inputs: readonly TensorType[];
  readonly params: object;
  /** Stands where a model's row names the model. */
  readonly use: string;
}

function* opShapes(): Generator<OpShape> {
  const shape = <N extends OpName>(
    use: string,
    op: N,
    inputs: readonly TensorType[],
    params: ParamsOf<N>,
  ): OpShape => ({ op, inputs, params, use });

  for (const extent of [512, 1024]) {
    const matrix = f32(extent, extent);
    for (const [transposeA, transposeB] of [
      [false, false],
      [true, false],
      [false, true],
    ] as const)
      yield shape("square", "matmul", [matrix, matrix], { transposeA, transposeB });
  }

  const large = f32(32, 112, 112, 32); // 51 MB
  const channels = f32(32);
  for (const op of ["relu", "relu6", "tanh", "sigmoid", "silu", "gelu"] as const) {
    yield shape("memory", op, [large], {});
    yield shape("memory", `${op}-grad`, [large, large], {});
  }
  yield shape("memory", "leaky-relu", [large], { alpha: 0.3 });
  yield shape("memory", "leaky-relu-grad", [large, large], { alpha: 0.3 });
  for (const op of ["add", "multiply"] as const) yield shape("memory", op, [large, large], {});
  yield shape("memory", "bias-add", [large, channels], {});
  yield shape("memory", "column-sum", [large], {});
  yield shape("memory", "concat", [large, large], {});
  yield shape("memory", "slice", [large], { begin: 8, end: 24 });
  const window = { poolSize: [2, 2], strides: [2, 2], padding: "valid" } as const;
  const pooled = f32(32, 56, 56, 32);
  yield shape("memory", "max-pool", [large], window);
  yield shape("memory", "max-pool-grad", [large, pooled, pooled], window);
  yield shape("memory", "avg-pool", [large], window);
  yield shape("memory", "avg-pool-grad", [pooled], { ...window, inputShape: [32, 112, 112, 32] });
  const norm = { epsilon: 1e-3, activation: "relu" } as const;
  yield shape("memory", "batch-norm", [large, channels, channels], norm);
  yield shape("memory", "batch-norm-inference", [large, channels, channels, channels, channels], norm);
  yield shape("memory", "dropout", [pooled, i32(4)], { rate: 0.5, layer: 1 });
  const length = 16 * 2 ** 20;
  const flat = f32(length); // 67 MB
  yield shape("memory", "sgd-update", [flat, flat, f32(8)], {});
  yield shape("memory", "momentum-update", [flat, flat, flat, f32(8)], { nesterov: false });
  yield shape("memory", "adam-update", [flat, flat, flat, flat, f32(8)], { decoupled: false });
  yield shape("memory", "adagrad-update", [flat, flat, flat, f32(8)], {});
  yield shape("memory", "lars-update", [flat, flat, flat, f32(8), f32(1), f32(1)], {});
  yield shape("memory", "sum-of-squares", [flat], {});
  yield shape("memory", "divide", [flat, f32(1)], {});
  yield shape("memory", "clip-norm", [flat, f32(1)], { maximum: 1 });
  yield shape("memory", "clip-value", [flat], { maximum: 1 });
  yield shape("memory", "fill", [], { shape: [length], value: 1 });

  for (const format of ["bf16", "f16"] as const) {
    yield shape("memory", `${format}-encode`, [flat], {});
    yield shape("memory", `${format}-decode`, [i32(length / 2)], { length });
  }
  const [blockElements, scales] = [256, f32(length / 256)];
  yield shape("memory", "int8-encode", [flat], { blockElements, rounding: "nearest" });
  yield shape("memory", "int8-encode", [flat, i32(4)], { blockElements, rounding: "stochastic" });
  yield shape("memory", "int8-decode", [i32(length / 4), scales], { blockElements, length });
  yield shape("memory", "byte-shuffle", [i32(length)], {});
  yield shape("memory", "byte-unshuffle", [i32(length)], { length });
  yield shape("memory", "xxh32", [i32(length)], { pieceWords: 4096 });

  const logits = f32(4096, 1000);
  yield shape("classes", "softmax", [logits], {});
  yield shape("classes", "softmax-grad", [logits, logits], {});
  yield shape("classes", "softmax-cross-entropy", [logits, i32(4096)], {});
  yield shape("classes", "softmax-cross-entropy-grad", [logits, i32(4096), f32(1)], {});
  yield shape("classes", "softmax-cross-entropy-with-grad", [logits, i32(4096)], {});
  const scores = f32(128, 10);
  yield shape("classes", "softmax-cross-entropy", [scores, i32(128)], {});
  yield shape("classes", "softmax-cross-entropy-grad", [scores, i32(128), f32(1)], {});
  yield shape("classes", "softmax-cross-entropy-with-grad", [scores, i32(128)], {});
  for (const op of ["mean-squared-error", "hinge", "squared-hinge"] as const) {
    yield shape("classes", op, [scores, scores], {});
    yield shape("classes", `${op}-grad`, [scores, scores, f32(1)], {});
  }
  const [rows, units, perRow] = [f32(4096, 512), f32(512), f32(4096)]; // 128 sequences of 32
  yield shape("sequences", "layer-norm", [rows, units, units], { epsilon: 1e-3 });
  yield shape("sequences", "layer-norm-grad", [rows, units, rows, perRow, perRow], {});
  yield shape("sequences", "embedding", [i32(4096), f32(10_000, 512)], {});
  yield shape("sequences", "embedding-grad", [i32(4096), rows], { vocabulary: 10_000 });
  const [qkv, logSumExp] = [f32(16, 256, 3 * 384), f32(16, 6, 256)]; // heads of 64
  const attended = f32(16, 256, 384);
  yield shape("sequences", "causal-attention", [qkv], { heads: 6 });
  yield shape("sequences", "causal-attention-grad", [qkv, attended, logSumExp, attended], { heads: 6 });
  yield shape("sequences", "cached-attention", [f32(1, 3 * 384), f32(1, 256, 3 * 384), i32(1)], { heads: 6 });
  // A local step of logistic regression over LibSVM data, of two classes and of many.
  for (const [features, outputs] of [
    [2 ** 19, 1],
    [2 ** 16, 16],
  ] as const) {
    const matrix = [f32(20 * 39), i32(20 * 39), i32(21)];
    const [w, errors] = [f32(features, outputs), f32(20, outputs)];
    yield shape("sparse-lr", "sparse-dense", [...matrix, w, f32(outputs)], {});
    yield shape("sparse-lr", "sparse-dense-grad", [...matrix, errors], { features });
    yield shape("sparse-lr", "sparse-sgd-update", [w, ...matrix, errors, f32(1)], {});
  }
  yield shape("k-means", "kmeans-assign", [f32(4096, 28), f32(10, 28)], {});
  yield shape("k-means", "kmeans-assign", [f32(4096, 784), f32(100, 784)], {});
}

export const extraShapes: readonly OpShape[] = [...opShapes()];

/** Outputs by the op's own shape rule. */
export function callOf({ op: name, inputs, params }: OpShape): KernelCall {
  const op: AnyOp = ops[name];
  return { inputs, outputs: op.infer(inputs, params), params };
}
