// Operands for ops that do not take just any numbers: tests and benches feed kernels with them.

import type { KernelCall } from "../../src/kernels/kernel.ts";
import type { OpName, ParamsOf } from "../../src/kernels/ops/index.ts";
import { referenceKernels } from "../../src/kernels/reference/index.ts";
import { elementCount, type TensorType } from "../../src/kernels/tensor.ts";
import type { RandomStream } from "../../src/random.ts";

export type Operand = Float32Array | Int32Array;

type Normal = (type: TensorType) => Float32Array;
type MakeOperands = (call: KernelCall, normal: Normal, random: RandomStream) => readonly Operand[];

const withLabels: MakeOperands = ({ inputs }, normal, random) => {
  const [rows, classes] = inputs[0]!.shape as [number, number];
  const logits = normal(inputs[0]!).map((value) => Math.round(value * 4) / 2); // with ties
  const labels = Int32Array.from({ length: rows }, () => random.nextInt(classes));
  return inputs.map((type, i) => [logits, labels][i] ?? normal(type).map(Math.abs));
};

/** `outside`: how many ids beyond either end of a table of `rows` rows may come. */
function withIds(outside: number, rowsOf: (call: KernelCall) => number): MakeOperands {
  return (call, normal, random) => {
    const range = rowsOf(call) + 2 * outside;
    const [ids, values] = call.inputs as [TensorType, TensorType];
    return [
      Int32Array.from({ length: elementCount(ids) }, () => random.nextInt(range) - outside),
      normal(values),
    ];
  };
}

/** A sparse matrix from operand `first` on; some of its columns lie outside, and some of its room is not used. */
function withCsr(first: number, featuresOf: (call: KernelCall) => number): MakeOperands {
  return (call, normal, random) => {
    const [values, , rowStarts] = call.inputs.slice(first) as [TensorType, TensorType, TensorType];
    const [capacity, starts] = [elementCount(values), elementCount(rowStarts)];
    const range = featuresOf(call) + 2;
    const columns = Int32Array.from({ length: capacity }, () => random.nextInt(range) - 1);
    const ends = Int32Array.from({ length: starts }, (_, i) => (i === 0 ? 0 : random.nextInt(capacity + 1)));
    const operands = call.inputs.map((type) => (type.dtype === "f32" ? normal(type) : columns));
    return operands.with(first + 2, ends.sort());
  };
}

/** Wide enough for both bounds of relu6. */
const spread: MakeOperands = ({ inputs }, normal) =>
  inputs.map((type) => normal(type).map((value) => value * 5));

/** Weights, like losses, are not below 0: their sums are no small differences of large ones. */
const withBits: MakeOperands = ({ inputs }, normal) =>
  inputs.map((type, i) =>
    normal(type).map((value) => (i === 0 ? value * 8 : i === 1 ? Number(value > 0) : Math.abs(value))),
  );

/** With zeros in the mask, which is input 2. */
const withMask: MakeOperands = ({ inputs }, normal) =>
  inputs.map((type, i) => (i === 2 ? normal(type).map(Math.round) : normal(type)));

const withHyper: MakeOperands = ({ inputs }, normal) => {
  const hyper = Float32Array.of(0.01, 0.9, 0.999, 1e-8, 1e-3, 1 - 0.9 ** 3, 1 - 0.999 ** 3, 0.001);
  const hyperAt = inputs.findLastIndex(({ shape }) => shape[0] === hyper.length);
  // Second moments and squares are never negative.
  return inputs.map((type, i) => (i === hyperAt ? hyper : i < 2 ? normal(type) : normal(type).map(Math.abs)));
};

const withWinners: MakeOperands = ({ inputs, params }, normal, random) => {
  const [height, width] = (params as ParamsOf<"conv2d-max-pool">).poolSize;
  return inputs.map((type) =>
    type.dtype === "i32"
      ? Int32Array.from({ length: elementCount(type) }, () => random.nextInt(height * width))
      : normal(type),
  );
};

/** i32 operands are any bits. */
const withWords: MakeOperands = ({ inputs }, normal, random) =>
  inputs.map((type) =>
    type.dtype === "i32"
      ? Int32Array.from({ length: elementCount(type) }, () => random.nextU32())
      : normal(type),
  );

/** Pairs of halves that are finite numbers in both formats: no exponent has its highest bit. */
const withHalves: MakeOperands = ({ inputs }, _, random) =>
  inputs.map((type) => Int32Array.from({ length: elementCount(type) }, () => random.nextU32() & 0xbfffbfff));

/** For ops that do not take just any numbers. */
export const fittingOperands: Readonly<Partial<Record<OpName, MakeOperands>>> = {
  matmul: withMask,
  "conv2d-max-pool": ({ inputs }, normal) => inputs.map((type) => normal(type).map(Math.round)), // with ties
  "conv2d-max-pool-input-grad": withWinners,
  "conv2d-max-pool-filter-grad": withWinners,
  "max-pool": ({ inputs }, normal) => inputs.map((type) => normal(type).map(Math.round)),
  "max-pool-grad": ({ inputs, params }, normal) => {
    const [x, y, dy] = inputs as [TensorType, TensorType, TensorType];
    const image = normal(x).map(Math.round); // with ties
    const pooled = new Float32Array(elementCount(y));
    const forward = { inputs: [x], outputs: [y], params: params as ParamsOf<"max-pool"> };
    referenceKernels["max-pool"].run(forward, [image], [pooled]);
    return [image, pooled, normal(dy)];
  },
  "batch-norm-inference": ({ inputs }, normal) =>
    inputs.map((type, i) => (i === 4 ? normal(type).map(Math.abs) : normal(type))),
  "causal-attention-grad": ({ inputs, params }, normal) => {
    const [qkv, y, logSumExp, dy] = inputs as [TensorType, TensorType, TensorType, TensorType];
    const forward = {
      inputs: [qkv],
      outputs: [y, logSumExp],
      params: params as ParamsOf<"causal-attention">,
    };
    const operand = normal(qkv);
    const results = forward.outputs.map((type) => new Float32Array(elementCount(type)));
    referenceKernels["causal-attention"].run(forward, [operand], results);
    return [operand, ...results, normal(dy)];
  },
  // The last one may be beyond the past's rows.
  "cached-attention": ({ inputs }, normal, random) =>
    inputs.map((type, i) =>
      i === 2
        ? Int32Array.from({ length: elementCount(type) }, () => random.nextInt(inputs[1]!.shape[1]! + 2))
        : normal(type),
    ),
  // NaNs have no difference to compare: a test of its own has ids outside the table.
  embedding: withIds(0, ({ inputs }) => inputs[1]!.shape[0]!),
  "sparse-dense": withCsr(0, ({ inputs }) => inputs[3]!.shape[0]!),
  "sparse-dense-grad": withCsr(0, ({ params }) => (params as ParamsOf<"sparse-dense-grad">).features),
  "sparse-sgd-update": withCsr(1, ({ inputs }) => inputs[0]!.shape[0]!),
  "kmeans-assign": ({ inputs }, normal) => inputs.map((type) => normal(type).map(Math.round)), // with ties
  "embedding-grad": withIds(1, ({ params }) => (params as ParamsOf<"embedding-grad">).vocabulary),
  relu6: spread,
  "relu6-grad": spread,
  "softmax-cross-entropy": withLabels,
  "softmax-cross-entropy-grad": withLabels,
  "softmax-cross-entropy-with-grad": withLabels,
  "sigmoid-cross-entropy": withBits,
  "sigmoid-cross-entropy-grad": withBits,
  hinge: withBits,
  "hinge-grad": withBits,
  "squared-hinge": withBits,
  "squared-hinge-grad": withBits,
  dropout: ({ inputs }, normal) => [normal(inputs[0]!), Int32Array.of(12345, 1 << 20, 7, 0)],
  "sgd-update": withHyper,
  "momentum-update": withHyper,
  "adam-update": withHyper,
  "adagrad-update": withHyper,
  "lars-update": withHyper,
  // Squares are never negative.
  "clip-norm": ({ inputs }, normal) => [normal(inputs[0]!), normal(inputs[1]!).map(Math.abs)],
  "bf16-decode": withHalves,
  "f16-decode": withHalves,
  "int8-encode": withWords,
  "int8-decode": withWords,
  "byte-shuffle": withWords,
  "byte-unshuffle": withWords,
  xxh32: withWords,
};
