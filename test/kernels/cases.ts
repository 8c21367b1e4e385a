// Calls that every kernel of every device is tested with: shapes with tails of all kinds.

import { fittingOperands, type Operand } from "../../bench/kernels/fitting-operands.ts";
import type { KernelCall } from "../../src/kernels/kernel.ts";
import { ops, type OpName, type ParamsOf } from "../../src/kernels/ops/index.ts";
import type { AnyOp } from "../../src/kernels/op.ts";
import { elementCount, f32, i32, type TensorType } from "../../src/kernels/tensor.ts";
import { RandomStream } from "../../src/random.ts";

export interface Case {
  readonly op: OpName;
  readonly call: KernelCall;
  readonly label: string;
}

const FLAT_LENGTHS = [1, 2, 3, 5, 7, 15, 16, 17, 31, 33, 64, 100];
const IMAGES = [f32(1, 5, 5, 1), f32(2, 7, 6, 3), f32(3, 8, 9, 17), f32(2, 12, 12, 6)];
const WINDOWS = [
  { poolSize: [5, 5], strides: [1, 2], padding: "same" },
  { poolSize: [2, 2], strides: [2, 2], padding: "valid" },
  { poolSize: [3, 3], strides: [2, 2], padding: "same" },
  { poolSize: [2, 3], strides: [1, 2], padding: "same" },
  { poolSize: [3, 2], strides: [1, 1], padding: "valid" },
  { poolSize: [4, 4], strides: [1, 1], padding: "valid" },
  { poolSize: [1, 1], strides: [3, 2], padding: "same" },
] as const;

interface Convolution {
  readonly x: readonly [number, number, number, number];
  readonly w: readonly [number, number, number, number];
  readonly strides: readonly [number, number];
  readonly padding: "same" | "valid";
  readonly dilations?: readonly [number, number];
}

const CONVOLUTIONS: readonly Convolution[] = [
  { x: [2, 28, 28, 1], w: [5, 5, 1, 6], strides: [1, 1], padding: "same" },
  { x: [2, 14, 14, 6], w: [5, 5, 6, 16], strides: [1, 1], padding: "valid" },
  { x: [1, 5, 5, 3], w: [3, 3, 3, 17], strides: [2, 2], padding: "same" },
  { x: [3, 9, 7, 2], w: [3, 2, 2, 33], strides: [2, 1], padding: "valid" },
  { x: [2, 8, 8, 5], w: [1, 1, 5, 7], strides: [1, 1], padding: "same" },
  { x: [1, 7, 10, 4], w: [2, 4, 4, 1], strides: [1, 3], padding: "same" },
  { x: [2, 3, 3, 31], w: [3, 3, 31, 9], strides: [1, 1], padding: "same" },
  { x: [1, 6, 5, 1], w: [1, 2, 1, 15], strides: [3, 2], padding: "same" },
  { x: [1, 10, 10, 7], w: [4, 3, 7, 100], strides: [3, 2], padding: "valid" },
  { x: [7, 5, 4, 16], w: [3, 3, 16, 16], strides: [1, 1], padding: "same" },
  { x: [13, 7, 6, 3], w: [5, 5, 3, 6], strides: [2, 2], padding: "same" },
  { x: [4, 6, 7, 13], w: [3, 2, 13, 24], strides: [2, 1], padding: "same" },
  { x: [5, 2, 1, 12], w: [3, 5, 12, 9], strides: [1, 1], padding: "same" },
  { x: [3, 4, 5, 50], w: [1, 1, 50, 33], strides: [1, 1], padding: "valid" },
  { x: [6, 5, 5, 16], w: [1, 1, 16, 20], strides: [2, 2], padding: "valid" },
  { x: [5, 9, 8, 2], w: [3, 3, 2, 18], strides: [1, 1], padding: "same", dilations: [2, 3] },
  { x: [2, 9, 11, 14], w: [3, 2, 14, 5], strides: [2, 3], padding: "valid", dilations: [3, 2] },
  { x: [4, 4, 3, 1], w: [3, 3, 1, 8], strides: [2, 2], padding: "same", dilations: [4, 2] },
  { x: [1, 40, 33, 12], w: [3, 3, 12, 4], strides: [1, 1], padding: "same" },
];

/** `w` is [KH, KW, C, M]. */
const DEPTHWISE_CONVOLUTIONS: readonly Convolution[] = [
  { x: [2, 14, 14, 8], w: [3, 3, 8, 1], strides: [1, 1], padding: "same" },
  { x: [3, 9, 8, 13], w: [3, 3, 13, 1], strides: [2, 2], padding: "same" },
  { x: [9, 7, 7, 33], w: [3, 3, 33, 1], strides: [1, 1], padding: "same" },
  { x: [1, 6, 29, 3], w: [5, 4, 3, 1], strides: [1, 1], padding: "valid" },
  { x: [2, 8, 7, 17], w: [3, 3, 17, 1], strides: [2, 1], padding: "valid" },
  { x: [1, 2, 1, 16], w: [3, 5, 16, 1], strides: [1, 1], padding: "same" },
  { x: [2, 5, 9, 20], w: [1, 2, 20, 1], strides: [3, 3], padding: "same" },
  { x: [2, 9, 11, 12], w: [3, 2, 12, 1], strides: [2, 3], padding: "valid", dilations: [3, 2] },
  { x: [1, 4, 3, 9], w: [3, 3, 9, 1], strides: [2, 2], padding: "same", dilations: [4, 2] },
  { x: [2, 6, 7, 5], w: [3, 3, 5, 2], strides: [1, 1], padding: "same" },
  { x: [1, 9, 8, 11], w: [2, 3, 11, 3], strides: [2, 1], padding: "valid" },
  { x: [2, 5, 5, 1], w: [3, 3, 1, 7], strides: [1, 2], padding: "same" },
];

/** A convolution and the pool behind it; no padding or stride of a pool. */
const POOLED_CONVOLUTIONS: readonly (Convolution & { readonly poolSize: readonly [number, number] })[] = [
  { x: [3, 28, 28, 1], w: [5, 5, 1, 6], strides: [1, 1], padding: "same", poolSize: [2, 2] },
  { x: [2, 14, 14, 6], w: [5, 5, 6, 16], strides: [1, 1], padding: "valid", poolSize: [2, 2] },
  { x: [1, 9, 13, 1], w: [3, 2, 1, 15], strides: [1, 1], padding: "valid", poolSize: [2, 2] },
  { x: [2, 7, 5, 1], w: [1, 3, 1, 1], strides: [1, 1], padding: "same", poolSize: [2, 2] },
  { x: [2, 8, 9, 1], w: [3, 3, 1, 17], strides: [1, 1], padding: "same", poolSize: [2, 2] },
  { x: [1, 9, 8, 3], w: [2, 3, 3, 7], strides: [2, 1], padding: "same", poolSize: [2, 3] },
  { x: [3, 6, 7, 9], w: [3, 3, 9, 20], strides: [1, 1], padding: "same", poolSize: [3, 2] },
  { x: [1, 5, 4, 33], w: [3, 1, 33, 5], strides: [1, 2], padding: "valid", poolSize: [1, 1] },
];

const PRODUCTS = [
  [1, 1, 1],
  [2, 3, 5],
  [5, 9, 7],
  [6, 8, 16],
  [7, 15, 31],
  [9, 16, 33],
  [15, 17, 100],
  [16, 31, 3],
  [17, 33, 9],
  [31, 2, 6],
  [33, 100, 8],
  [100, 6, 17],
  [200, 52, 401],
  [13, 10, 1203],
  [25, 800, 18],
] as const;

/** [m, n, k] of sums over so many rows that both operands are read ahead; the second is computed transposed. */
const LONG_PRODUCTS = [
  [40, 91, 2100],
  [91, 40, 2100],
] as const;

const NORMALISED = [1, 3, 8, 17, 33].flatMap((columns) => [1, 8, 75].map((rows) => [rows, columns] as const));
/** Several groups of rows, the last one shorter. */
const TALL = [
  [2_051, 1],
  [1_090, 6],
  [330, 200],
] as const;

/** Batch, positions, heads and their width: single blocks of queries, several, and last ones that are shorter. */
const ATTENTIONS = [
  [1, 1, 1, 1],
  [1, 7, 2, 3],
  [2, 25, 3, 4],
  [1, 50, 1, 17],
  [1, 72, 2, 16],
  [1, 130, 1, 6],
] as const;

/** Non-zeros, rows, features and columns of the dense operand. */
const SPARSE_PRODUCTS = [
  [1, 1, 1, 1],
  [30, 4, 9, 1],
  [17, 9, 3, 2],
  [100, 7, 200, 10],
  [40, 5, 31, 33],
] as const;

const ELEMENT_LOSSES = ["sigmoid-cross-entropy", "mean-squared-error", "hinge", "squared-hinge"] as const;

export function caseOf<N extends OpName>(op: N, inputs: readonly TensorType[], params: ParamsOf<N>): Case {
  const outputs = (ops[op] as AnyOp).infer(inputs, params);
  const shapes = inputs.map(({ shape }) => shape.join("x")).join(" ");
  return { op, call: { inputs, outputs, params }, label: `${op} ${shapes} ${JSON.stringify(params)}` };
}

function* cases(): Generator<Case> {
  for (const [m, n, k] of PRODUCTS) {
    yield caseOf("dense", [f32(m, k), f32(k, n), f32(n)], { activation: "relu" });
    yield caseOf("dense", [f32(m, k), f32(k, n)], { activation: "none" });
    for (const transposeA of [false, true])
      for (const transposeB of [false, true]) {
        const a = transposeA ? f32(k, m) : f32(m, k);
        const b = transposeB ? f32(n, k) : f32(k, n);
        yield caseOf("matmul", [a, b], { transposeA, transposeB });
        yield caseOf("matmul", [a, b, f32(m, n)], { transposeA, transposeB });
      }
  }
  for (const [m, n, k] of LONG_PRODUCTS)
    yield caseOf("matmul", [f32(k, m), f32(k, n), f32(m, n)], { transposeA: true, transposeB: false });
  for (const { x, w, ...window } of CONVOLUTIONS) {
    const bias = f32(w[3]);
    const forward = caseOf("conv2d", [f32(...x), f32(...w), bias], { ...window, activation: "relu" });
    const dy = forward.call.outputs[0]!;
    yield forward;
    yield caseOf("conv2d", [f32(...x), f32(...w)], { ...window, activation: "none" });
    yield caseOf("conv2d-input-grad", [dy, f32(...w)], { ...window, inputShape: x });
    yield caseOf("conv2d-input-grad", [dy, f32(...w), f32(...x)], { ...window, inputShape: x });
    yield caseOf("conv2d-filter-grad", [f32(...x), dy], { ...window, filterShape: w });
  }
  for (const { x, w, ...window } of DEPTHWISE_CONVOLUTIONS) {
    const operands = [f32(...x), f32(...w), f32(w[2] * w[3])];
    const forward = caseOf("depthwise-conv2d", operands, { ...window, activation: "relu" });
    const dy = forward.call.outputs[0]!;
    yield forward;
    yield caseOf("depthwise-conv2d", operands.slice(0, 2), { ...window, activation: "none" });
    const inputGradient = { ...window, inputShape: x };
    yield caseOf("depthwise-conv2d-input-grad", [dy, f32(...w)], inputGradient);
    yield caseOf("depthwise-conv2d-input-grad", [dy, f32(...w), f32(...x)], inputGradient);
    yield caseOf("depthwise-conv2d-filter-grad", [f32(...x), dy], { ...window, filterShape: w });
  }
  for (const { x, w, strides, padding, poolSize } of POOLED_CONVOLUTIONS) {
    const windows = { strides, padding, poolSize };
    const operands = [f32(...x), f32(...w), f32(w[3])];
    const forward = caseOf("conv2d-max-pool", operands, { ...windows, activation: "relu" });
    const [dy, winners] = forward.call.outputs as [TensorType, TensorType];
    yield forward;
    yield caseOf("conv2d-max-pool", operands.slice(0, 2), { ...windows, activation: "none" });
    const inputGradient = { ...windows, inputShape: x };
    yield caseOf("conv2d-max-pool-input-grad", [dy, winners, f32(...w)], inputGradient);
    yield caseOf("conv2d-max-pool-input-grad", [dy, winners, f32(...w), f32(...x)], inputGradient);
    yield caseOf("conv2d-max-pool-filter-grad", [f32(...x), dy, winners], { ...windows, filterShape: w });
  }
  for (const x of IMAGES)
    for (const params of WINDOWS) {
      const forward = caseOf("max-pool", [x], params);
      const y = forward.call.outputs[0]!;
      yield forward;
      yield caseOf("max-pool-grad", [x, y, y], params);
      yield caseOf("avg-pool", [x], params);
      const gradient = { ...params, inputShape: x.shape as Convolution["x"] };
      yield caseOf("avg-pool-grad", [y], gradient);
      yield caseOf("avg-pool-grad", [y, x], gradient);
    }
  for (const x of IMAGES) {
    const inputShape = x.shape;
    const [B, H, W, C] = inputShape as Convolution["x"];
    yield caseOf("global-avg-pool", [x], {});
    yield caseOf("global-avg-pool-grad", [f32(B, C)], { inputShape });
    yield caseOf("concat", [x, f32(B, H, W, 5), f32(B, H, W, 16), x], {});
    yield caseOf("concat", [x], {});
    yield caseOf("slice", [f32(B, H, W, C + 20)], { begin: 3, end: C + 3 });
  }
  for (const [rows, columns] of [...NORMALISED, ...TALL]) {
    const [x, vector, perRow] = [f32(rows, columns), f32(columns), f32(rows)];
    yield caseOf("layer-norm", [x, vector, vector], { epsilon: 1e-3 });
    yield caseOf("layer-norm-grad", [x, vector, x, perRow, perRow], {});
  }
  for (const [rows, columns] of NORMALISED) {
    const x = f32(rows, columns);
    for (const beta of [0.5, 0.75, 1, 0.6]) {
      const params = { depthRadius: 2, bias: 1.5, alpha: 0.3, beta };
      yield caseOf("local-response-norm", [x], params);
      yield caseOf("local-response-norm-grad", [x, x], { ...params, depthRadius: 5 });
    }
    yield caseOf("embedding", [i32(rows), f32(7, columns)], {});
    yield caseOf("embedding-grad", [i32(rows), x], { vocabulary: 7 });
  }
  for (const [batch, positions, heads, headWidth] of ATTENTIONS) {
    const qkv = f32(batch, positions, 3 * heads * headWidth);
    const forward = caseOf("causal-attention", [qkv], { heads });
    const [y, logSumExp] = forward.call.outputs as [TensorType, TensorType];
    yield forward;
    yield caseOf("causal-attention-grad", [qkv, y, logSumExp, y], { heads });
    const row = f32(batch, 3 * heads * headWidth);
    yield caseOf("cached-attention", [row, qkv, i32(batch)], { heads });
  }
  for (const [rows, columns, clusters] of [
    [1, 1, 1],
    [9, 5, 3],
    [6, 2, 16],
    [30, 28, 37],
  ] as const)
    yield caseOf("kmeans-assign", [f32(rows, columns), f32(clusters, columns)], {});
  for (const [nonZeros, rows, features, columns] of SPARSE_PRODUCTS) {
    const matrix = [f32(nonZeros), i32(nonZeros), i32(rows + 1)];
    const [w, dy] = [f32(features, columns), f32(rows, columns)];
    yield caseOf("sparse-dense", [...matrix, w], {});
    yield caseOf("sparse-dense", [...matrix, w, f32(columns)], {});
    yield caseOf("sparse-dense-grad", [...matrix, dy], { features });
    yield caseOf("sparse-sgd-update", [w, ...matrix, dy, f32(1)], {});
  }
  for (const [rows, columns] of [...NORMALISED, ...TALL])
    for (const activation of ["none", "relu"] as const) {
      const x = f32(rows, columns);
      const vector = f32(columns);
      const params = { epsilon: 1e-3, activation };
      yield caseOf("batch-norm", [x, vector, vector], params);
      yield caseOf("batch-norm-inference", [x, vector, vector, vector, vector], params);
      for (const statistics of ["batch", "moving"] as const)
        yield caseOf("batch-norm-grad", [x, vector, vector, x, vector, vector], { activation, statistics });
    }
  for (const [rows, columns] of TALL) {
    const x = f32(3 * rows, columns);
    const labels = i32(3 * rows);
    yield caseOf("column-sum", [x], {});
    yield caseOf("sum-of-squares", [x], {});
    yield caseOf("softmax-cross-entropy", [x, labels], {});
    yield caseOf("softmax-cross-entropy-with-grad", [x, labels], {});
    yield caseOf("softmax-cross-entropy-with-grad", [x, labels, f32(3 * rows)], { labelSmoothing: 0.1 });
    for (const loss of ELEMENT_LOSSES) yield caseOf(loss, [x, x], {});
    for (const loss of ELEMENT_LOSSES) yield caseOf(loss, [x, x, x], {});
  }
  for (const length of FLAT_LENGTHS) {
    const flat = f32(length);
    for (const op of ["relu", "relu6", "tanh", "sigmoid", "silu", "gelu"] as const) {
      yield caseOf(op, [flat], {});
      yield caseOf(`${op}-grad`, [flat, flat], {});
    }
    for (const op of ["add", "multiply"] as const) yield caseOf(op, [flat, flat], {});
    yield caseOf("add", [flat, flat], { activation: "relu" });
    yield caseOf("leaky-relu", [flat], { alpha: 0.3 });
    yield caseOf("leaky-relu-grad", [flat, flat], { alpha: 0.3 });
    yield caseOf("moving-average", [flat, flat], { momentum: 0.9 });
    yield caseOf("fill", [], { shape: [length], value: -1.5 });
    yield caseOf("sgd-update", [flat, flat, f32(8)], {});
    for (const nesterov of [false, true])
      yield caseOf("momentum-update", [flat, flat, flat, f32(8)], { nesterov });
    for (const decoupled of [false, true])
      yield caseOf("adam-update", [flat, flat, flat, flat, f32(8)], { decoupled });
    yield caseOf("adagrad-update", [flat, flat, flat, f32(8)], {});
    yield caseOf("lars-update", [flat, flat, flat, f32(8)], {});
    yield caseOf("lars-update", [flat, flat, flat, f32(8), f32(1), f32(1)], {});
    yield caseOf("sum-of-squares", [flat], {});
    yield caseOf("divide", [flat, f32(1)], {});
    yield caseOf("clip-norm", [flat, f32(1)], { maximum: 0.25 });
    yield caseOf("clip-norm", [flat, f32(1)], { maximum: 50 });
    yield caseOf("clip-value", [flat], { maximum: 0.5 });
    for (const format of ["bf16", "f16"] as const) {
      yield caseOf(`${format}-encode`, [flat], {});
      yield caseOf(`${format}-decode`, [i32(Math.ceil(length / 2))], { length });
    }
    for (const blockElements of [32, 128]) {
      const scales = f32(Math.ceil(length / blockElements));
      yield caseOf("int8-encode", [flat], { blockElements, rounding: "nearest" });
      yield caseOf("int8-encode", [flat, i32(4)], { blockElements, rounding: "stochastic" });
      yield caseOf("int8-decode", [i32(Math.ceil(length / 4)), scales], { blockElements, length });
    }
    yield caseOf("byte-shuffle", [i32(length)], {});
    yield caseOf("byte-unshuffle", [i32(4 * Math.ceil(length / 4))], { length });
    for (const pieceWords of [3, 8, 100]) yield caseOf("xxh32", [i32(length)], { pieceWords });
    for (const rows of [1, 4, 7, 33]) {
      const matrix = f32(rows, length);
      yield caseOf("bias-add", [matrix, flat], {});
      yield caseOf("column-sum", [matrix], {});
      yield caseOf("softmax", [matrix], {});
      yield caseOf("softmax-grad", [matrix, matrix], {});
      yield caseOf("softmax-cross-entropy", [matrix, i32(rows)], {});
      yield caseOf("softmax-cross-entropy-grad", [matrix, i32(rows), f32(1)], {});
      yield caseOf("softmax-cross-entropy-with-grad", [matrix, i32(rows)], {});
      const [smooth, weights] = [{ labelSmoothing: 0.2 }, f32(rows)];
      yield caseOf("softmax-cross-entropy", [matrix, i32(rows)], smooth);
      yield caseOf("softmax-cross-entropy", [matrix, i32(rows), weights], smooth);
      yield caseOf("softmax-cross-entropy-grad", [matrix, i32(rows), f32(1), weights], smooth);
      yield caseOf("softmax-cross-entropy-with-grad", [matrix, i32(rows), weights], {});
      for (const loss of ELEMENT_LOSSES) {
        yield caseOf(loss, [matrix, matrix], {});
        yield caseOf(loss, [matrix, matrix, matrix], {});
        yield caseOf(`${loss}-grad`, [matrix, matrix, f32(1)], {});
      }
      yield caseOf("dropout", [matrix, i32(4)], { rate: 0.4, layer: 2 });
    }
  }
}

export const allCases: readonly Case[] = [...cases()];

/** Operands of a case: a function of its label alone. */
export function operandsOf({ op, call, label }: Case): readonly Operand[] {
  const random = new RandomStream(1, label);
  const normal = (type: TensorType) =>
    Float32Array.from({ length: elementCount(type) }, () => random.nextNormal());
  const fitting = fittingOperands[op];
  return fitting === undefined ? call.inputs.map(normal) : fitting(call, normal, random);
}
