// Whether a kernel is right at the very shape that is timed, against the reference in float64. Of large products and
// convolutions a part is checked: the first and the last index of every axis that the op treats index by index. That
// costs milliseconds instead of minutes, and sees what goes wrong at the ends of a tensor.

import type { KernelCall, ReferenceKernel } from "../../src/kernels/kernel.ts";
import type { AnyOp } from "../../src/kernels/op.ts";
import { referenceKernels } from "../../src/kernels/reference/index.ts";
import { elementCount, type TensorType } from "../../src/kernels/tensor.ts";
import { flopsOf, type KernelCase } from "./cases.ts";
import type { Operand } from "./fitting-operands.ts";

/** What needs more is checked in part. */
const FULL_CHECK_FLOPS = 2e6;

/**
 * Axes that an op treats index by index, one word per operand and per output: a letter stands at the axis that it
 * names, a dot at any other; axes that are left out follow, or precede a word that begins with "*".
 */
const SEPARABLE_AXES: Readonly<Record<string, string | ((params: Params) => string)>> = {
  dense: "M. .N N -> MN",
  matmul: ({ transposeA, transposeB }) =>
    `${transposeA === true ? ".M" : "M."} ${transposeB === true ? "N." : ".N"} MN -> MN`,
  conv2d: "B... ...N N -> B..N",
  "conv2d-input-grad": "B... ..C. B..C -> B..C",
  "conv2d-filter-grad": "...C ...N -> ..CN",
  "depthwise-conv2d": "B . . -> B",
  "depthwise-conv2d-input-grad": "B . B -> B",
  "depthwise-conv2d-filter-grad": "...C ...C -> ..C", // one filter for a channel
  "conv2d-max-pool": "B... ...N N -> B..N B..N",
  "conv2d-max-pool-input-grad": "B... B... ..C. B..C -> B..C",
  "conv2d-max-pool-filter-grad": "...C ...N ...N -> ..CN",
  "bias-add": "B . -> B",
  "max-pool-grad": "B B B -> B",
  "layer-norm": "B . . -> B B B",
  embedding: "B . -> B",
  "cached-attention": "B B B -> B",
  "causal-attention": "B -> B B",
  "causal-attention-grad": "B B B B -> B",
  ...separableBySample("B -> B", [
    ...["relu", "relu6", "leaky-relu", "tanh", "sigmoid", "silu", "gelu", "softmax", "local-response-norm"],
    ...["max-pool", "avg-pool", "avg-pool-grad", "global-avg-pool", "global-avg-pool-grad", "slice"],
  ]),
  ...separableBySample("B B -> B", [
    ...["relu", "relu6", "leaky-relu", "tanh", "sigmoid", "silu", "gelu", "softmax"].map(
      (op) => `${op}-grad`,
    ),
    ...["add", "multiply", "concat", "local-response-norm-grad"],
  ]),
  "column-sum": "*C -> C",
  "batch-norm": "*C C C -> *C C C C",
  "batch-norm-inference": "*C C C C C -> *C C",
  "batch-norm-grad": "*C C C *C C C -> *C C C",
  "sgd-update": "L L . -> L",
  "momentum-update": "L L L . -> L L",
  "adam-update": "L L L L . -> L L L",
  "adagrad-update": "L L L . -> L L",
};

function separableBySample(axes: string, ops: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(ops.map((op) => [op, axes]));
}

/** Sums of terms of both signs: an error counts in relation to the sum of the terms' magnitudes. */
const SIGNED_SUMS = /^(dense|matmul|conv2d|depthwise|sparse|column-sum|batch-norm)/;

type Params = Readonly<Record<string, unknown>>;

interface Slice {
  readonly type: TensorType;
  readonly data: Operand;
}

/**
 * Largest absolute error over the largest magnitude of an output (of sums: of its terms together). `outputs` are what
 * the kernel made of `inputs`.
 */
export function largestError(
  kernelCase: KernelCase,
  inputs: readonly Operand[],
  outputs: readonly Operand[],
): number {
  const { call, got, operands } = partOf(kernelCase, inputs, outputs);
  const want = runReference(kernelCase.op, call, operands);
  const scales = SIGNED_SUMS.test(kernelCase.op.name)
    ? runReference(
        kernelCase.op,
        call,
        operands.map((data) => data.map(Math.abs)),
      )
    : want;
  return Math.max(...want.map((values, i) => largestDifference(got[i]!, values) / largest(scales[i]!)));
}

type Exact = Float64Array | Int32Array;

function runReference(op: AnyOp, call: KernelCall, operands: readonly Operand[]): readonly Exact[] {
  const kernels: Readonly<Partial<Record<string, ReferenceKernel>>> = referenceKernels;
  const exact = operands.map((data) => (data instanceof Int32Array ? data : Float64Array.from(data)));
  const outputs = call.outputs.map((type) =>
    type.dtype === "i32" ? new Int32Array(elementCount(type)) : new Float64Array(elementCount(type)),
  );
  kernels[op.name]!.run(call, exact, outputs);
  return outputs;
}

function largest(values: Exact): number {
  let most = 1e-6;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
}

function largestDifference(got: Operand, want: Exact): number {
  let most = 0;
  for (let i = 0; i < want.length; i++)
    most = Math.max(most, Number.isNaN(got[i]!) ? Infinity : Math.abs(got[i]! - want[i]!));
  return most;
}

function partOf(kernelCase: KernelCase, inputs: readonly Operand[], outputs: readonly Operand[]) {
  const { op, call } = kernelCase;
  const params: Params = { ...call.params };
  const axes = SEPARABLE_AXES[op.name];
  if (axes === undefined || flopsOf(kernelCase) <= FULL_CHECK_FLOPS)
    return { call, got: outputs, operands: inputs };

  const [inputWords, outputWords] = (typeof axes === "string" ? axes : axes(params))
    .split(" -> ")
    .map((words) => words.split(" "));
  const cut = (words: readonly string[], types: readonly TensorType[], data: readonly Operand[]): Slice[] =>
    types.map((type, i) => takeEnds({ type, data: data[i]! }, words[i] ?? words.at(-1)!));
  const slices = cut(inputWords!, call.inputs, inputs);
  const results = cut(outputWords!, call.outputs, outputs);
  const part: KernelCall = {
    inputs: slices.map(({ type }) => type),
    outputs: results.map(({ type }) => type),
    params: Object.fromEntries(
      // `inputShape`, `filterShape`: gradients repeat their output's shape.
      Object.entries(params).map(([name, value]) => [
        name,
        name.endsWith("Shape") ? results[0]!.type.shape : value,
      ]),
    ),
  };
  return { call: part, got: results.map(({ data }) => data), operands: slices.map(({ data }) => data) };
}

/** The first and the last index of the axes that `word` names. */
function takeEnds(slice: Slice, word: string): Slice {
  const rank = slice.type.shape.length;
  const letters = word.startsWith("*") ? word.slice(1).padStart(rank, ".") : word;
  return Array.from(letters).reduce((cut, letter, axis) => {
    const last = cut.type.shape[axis]! - 1;
    return letter === "." ? cut : take(cut, axis, last > 0 ? [0, last] : [0]);
  }, slice);
}

/** The slice at `indices` of one axis. */
function take({ type, data }: Slice, axis: number, indices: readonly number[]): Slice {
  const { dtype, shape } = type;
  const inner = shape.slice(axis + 1).reduce((product, extent) => product * extent, 1);
  const outer = shape.slice(0, axis).reduce((product, extent) => product * extent, 1);
  const extent = shape[axis]!;
  const count = outer * indices.length * inner;
  const taken = data instanceof Int32Array ? new Int32Array(count) : new Float32Array(count);
  let next = 0;
  for (let o = 0; o < outer; o++)
    for (const index of indices) {
      const from = (o * extent + index) * inner;
      taken.set(data.subarray(from, from + inner), next);
      next += inner;
    }
  return { type: { dtype, shape: shape.with(axis, indices.length) }, data: taken };
}
