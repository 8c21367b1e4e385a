// Each kernel that sltrain adds to tf.js's wasm backend, or replaces there, against tf.js's cpu backend.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { kernelRules } from "../../src/tfjs/rules/index.ts";
import { numbers, on, onBoth, relativeError } from "./tf.ts";

const MAXIMUM_ERROR = 1e-5;

type Image = tf.Tensor4D;
type Padding = "same" | "valid";

/** The op's result, and the gradients of all its operands. */
function withGradients(op: (...operands: tf.Tensor[]) => tf.Tensor, operands: tf.Tensor[]): tf.Tensor[] {
  const result = op(...operands);
  return [result, ...tf.grads(op)(operands, numbers(result.shape, 7))];
}

function convolution(x: number[], w: number[], strides: number | [number, number], padding: Padding) {
  return () =>
    withGradients(
      (image, filter) => tf.conv2d(image as Image, filter as Image, strides, padding),
      [numbers(x), numbers(w, 2)],
    );
}

function depthwise(x: number[], w: number[], strides: number, padding: Padding) {
  return () =>
    withGradients(
      (image, filter) => tf.depthwiseConv2d(image as Image, filter as Image, strides, padding),
      [numbers(x), numbers(w, 2)],
    );
}

function pool(kind: "max" | "avg", x: number[], size: number | [number, number], padding: Padding) {
  const apply = kind === "max" ? tf.maxPool : tf.avgPool;
  return () => withGradients((image) => apply(image as Image, size, 2, padding), [numbers(x)]);
}

function product(a: number[], b: number[], transposeA = false, transposeB = false) {
  return () =>
    withGradients(
      (left, right) => tf.matMul(left, right, transposeA, transposeB),
      [numbers(a), numbers(b, 2)],
    );
}

const cases: Readonly<Record<string, () => tf.Tensor[]>> = {
  "a 3x3 convolution of photos": convolution([2, 11, 13, 3], [3, 3, 3, 8], 1, "same"),
  "a 5x5 convolution of one channel": convolution([3, 12, 12, 1], [5, 5, 1, 6], 1, "valid"),
  "a convolution for Winograd": convolution([2, 12, 12, 32], [3, 3, 32, 32], 1, "same"),
  "a convolution of stride 2x1": convolution([2, 9, 10, 5], [3, 3, 5, 7], [2, 1], "same"),
  "a 1x1 convolution of stride 2": convolution([2, 8, 8, 6], [1, 1, 6, 9], 2, "valid"),
  "a filter larger than its image": convolution([1, 2, 2, 3], [5, 5, 3, 2], 1, "same"),
  "a convolution padded by the number 0": () =>
    withGradients(
      (x, w) => tf.conv2d(x as Image, w as Image, 1, 0),
      [numbers([1, 5, 5, 2]), numbers([3, 3, 2, 3])],
    ),
  "a convolution of one image without a batch": () =>
    withGradients(
      (x, w) => tf.conv2d(x as tf.Tensor3D, w as Image, 1, "same"),
      [numbers([6, 6, 2]), numbers([3, 3, 2, 3])],
    ),
  "a dilated convolution": () => [
    tf.conv2d(numbers<tf.Rank.R4>([2, 9, 9, 4]), numbers([3, 3, 4, 5]), 1, "same", "NHWC", 2),
  ],
  "a transposed convolution": () =>
    withGradients(
      (x, w) => tf.conv2dTranspose(x as Image, w as Image, [2, 12, 12, 3], 2, "same"),
      [numbers([2, 6, 6, 4]), numbers([3, 3, 3, 4], 2)],
    ),
  "a fused convolution with bias and relu": () => [
    tf.fused.conv2d({
      x: numbers<tf.Rank.R4>([2, 8, 8, 3]),
      filter: numbers<tf.Rank.R4>([3, 3, 3, 6]),
      ...{ strides: 1, pad: "same", bias: numbers([6]), activation: "relu" },
    }),
  ],
  "a depthwise convolution": depthwise([2, 9, 9, 5], [3, 3, 5, 1], 1, "same"),
  "a depthwise convolution of stride 2, two filters a channel": depthwise(
    [2, 9, 8, 3],
    [3, 3, 3, 2],
    2,
    "same",
  ),
  "a depthwise convolution of many channels": depthwise([1, 7, 7, 33], [5, 5, 33, 1], 1, "valid"),
  "a separable convolution": () =>
    withGradients(
      (x, w, points) => tf.separableConv2d(x as Image, w as Image, points as Image, 1, "same"),
      [numbers([2, 8, 8, 4]), numbers([3, 3, 4, 2]), numbers([1, 1, 8, 6])],
    ),
  "a fused depthwise convolution with bias": () => [
    tf.fused.depthwiseConv2d({
      x: numbers<tf.Rank.R4>([2, 8, 8, 3]),
      filter: numbers<tf.Rank.R4>([3, 3, 3, 2]),
      ...{ strides: 1, pad: "same", bias: numbers([6]) },
    }),
  ],
  "max pooling": pool("max", [2, 8, 8, 5], 2, "valid"),
  "max pooling of windows that overlap": pool("max", [2, 9, 9, 4], 3, "same"),
  "average pooling": pool("avg", [2, 8, 8, 5], 2, "valid"),
  "average pooling over the border": pool("avg", [2, 9, 9, 4], [3, 2], "same"),
  "a product": product([17, 9], [9, 21]),
  "a product of transposed matrices": product([9, 17], [21, 9], true, true),
  "a product with its second matrix transposed": product([4, 33], [10, 33], false, true),
  "products of stacks": product([3, 7, 5], [3, 5, 9]),
  "products of stacks of stacks, transposed": product([2, 3, 5, 7], [2, 3, 9, 5], true, true),
  "one matrix times many": () => [tf.matMul(numbers([7, 5]), numbers([3, 5, 9], 2))],
  "many matrices times one": () => [tf.matMul(numbers([3, 7, 5]), numbers([5, 9], 2))],
  "many transposed matrices times one": () => [tf.matMul(numbers([3, 5, 7]), numbers([5, 9], 2), true)],
  "a fused product with bias and relu": () => [
    tf.fused.matMul({ a: numbers([7, 5]), b: numbers([5, 9]), bias: numbers([9]), activation: "relu" }),
  ],
  "a fused product of a stack, with bias": () => [
    tf.fused.matMul({ a: numbers([2, 7, 5]), b: numbers([1, 5, 9]), bias: numbers([9]) }),
  ],
  "rows gathered, some twice": () =>
    withGradients(
      (table) =>
        tf.gather(
          table,
          tf.tensor2d(
            [
              [1, 3],
              [1, 0],
            ],
            [2, 2],
            "int32",
          ),
        ),
      [numbers([5, 7])],
    ),
  "sums by segment, of ids beyond the last": () => [
    tf.unsortedSegmentSum(numbers([5, 2, 3]), tf.tensor1d([2, 0, -1, 2, 9], "int32"), 4),
  ],
  "sums over leading axes": () => [
    tf.sum(numbers([4, 5, 6]), [0, 1]),
    tf.sum(numbers([4, 5, 6]), [1, 0], true),
    tf.sum(numbers([4, 5, 6]), 0),
  ],
};

for (const [name, compute] of Object.entries(cases))
  test(`${name} comes out as on the cpu backend, gradients too`, async () => {
    const { cpu, wasm } = await onBoth(compute);
    cpu.forEach((expected, i) => {
      assert.equal(wasm[i]!.length, expected.length);
      const error = relativeError(wasm[i]!, expected);
      assert.ok(error <= MAXIMUM_ERROR, `result ${i}: relative error ${error}`);
    });
  });

test("each rule names a kernel that tf.js knows, and only once", () => {
  const names = kernelRules.map(({ kernelName }) => kernelName);
  assert.equal(new Set(names).size, names.length);
  for (const name of names) assert.ok(name.replace(/^_/, "") in tf || name in tf, name);
});

test("Winograd's kernels are among those that were compared", async () => {
  // The bits differ from a direct convolution's, by less than the bound: no chance agreement.
  const { cpu, wasm } = await onBoth(cases["a convolution for Winograd"]!);
  assert.ok(relativeError(wasm[0]!, cpu[0]!) > 0);
});

test("a shape that does not fit is refused with op, operand and both extents", async () => {
  await on("wasm", () => {
    const multiply = () => tf.matMul(numbers([4, 5]), numbers([6, 7]));
    assert.throws(multiply, /matmul: a\.shape\[1\] = 5 but b\.shape\[0\] = 6/);
  });
});
