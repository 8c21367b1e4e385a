// What registering does beside adding kernels: what remains tf.js's own, what is refused, and whose memory is used.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { SltrainError } from "../../src/errors.ts";
import { compute } from "../../src/tfjs/compute.ts";
import { Heap, type Backend } from "../../src/tfjs/heap.ts";
import { registerKernels } from "../../src/tfjs/index.ts";
import { Routines } from "../../src/tfjs/routines.ts";
import { columnSum } from "../../src/kernels/ops/bias.ts";
import { matmul } from "../../src/kernels/ops/matmul.ts";
import { f32 } from "../../src/kernels/tensor.ts";
import { numbers, on, onBoth, relativeError } from "./tf.ts";

test("what sltrain has no kernel for is left to tf.js's own", async () => {
  const { cpu, wasm } = await onBoth(() => [
    tf.conv2d(numbers<tf.Rank.R4>([1, 6, 6, 2]), numbers([3, 3, 2, 3]), 1, 1),
    tf.sum(tf.tensor2d([1, 2, 3, 4], [2, 2], "int32"), 0),
    tf.sum(numbers([4, 5, 6]), [0, 2]),
    tf.fused.matMul({ a: numbers([3, 4]), b: numbers([4, 5]), activation: "sigmoid" }),
  ]);
  cpu.forEach((expected, i) => assert.ok(relativeError(wasm[i]!, expected) <= 1e-6));
});

test("what neither has is refused with the kernel and the reason", async () => {
  await on("wasm", () => {
    const gradient = tf.grad((w) =>
      tf.conv2d(numbers<tf.Rank.R4>([1, 6, 6, 2]), w as tf.Tensor4D, 1, [
        [0, 0],
        [1, 2],
        [1, 1],
        [0, 0],
      ]),
    );
    assert.throws(
      () => gradient(numbers([3, 3, 2, 3])),
      (error: unknown) =>
        error instanceof SltrainError &&
        error.code === "kernel-missing" &&
        error.message.includes("Conv2DBackpropFilter has no kernel for padding [[0,0],[1,2],[1,1],[0,0]]"),
    );
  });
});

test("sums of nothing are zero, and results of nothing are empty", async () => {
  const { wasm } = await onBoth(() => [
    tf.matMul(tf.zeros([2, 0]), tf.zeros([0, 3])),
    tf.matMul(tf.zeros([0, 2]), tf.zeros([2, 3])),
    tf.unsortedSegmentSum(tf.zeros([0, 2]), tf.tensor1d([], "int32"), 2),
  ]);
  assert.deepEqual(
    wasm.map((values) => [...values]),
    [[0, 0, 0, 0, 0, 0], [], [0, 0, 0, 0]],
  );
});

test("registering again changes no result", async () => {
  const multiply = () => tf.matMul(numbers([5, 6]), numbers([7, 6]), false, true).dataSync();
  const before = await on("wasm", multiply);
  await registerKernels();
  assert.deepEqual(await on("wasm", multiply), before);
});

test("a hundred steps of training leave no tensor behind, and the memory as large as it was", async () => {
  await tf.setBackend("wasm");
  const filter = tf.variable(numbers<tf.Rank.R4>([3, 3, 2, 8]));
  const weights = tf.variable(numbers<tf.Rank.R2>([8, 4], 2));
  const images = numbers<tf.Rank.R4>([8, 10, 10, 2]);
  const labels = tf.oneHot(tf.tensor1d([0, 1, 2, 3, 0, 1, 2, 3], "int32"), 4);
  const optimizer = tf.train.adam(0.01);
  const step = () =>
    optimizer.minimize(() => {
      const features = tf.maxPool(tf.relu(tf.conv2d(images, filter, 1, "same")), 10, 10, "valid");
      const logits = tf.matMul(tf.reshape(features, [8, 8]), weights);
      return tf.losses.softmaxCrossEntropy(labels, logits);
    });
  const heap = new Heap(tf.backend() as unknown as Backend);
  for (let i = 0; i < 3; i++) step();
  const tensors = tf.memory().numTensors;
  const heapBytes = heap.memory.buffer.byteLength;
  for (let i = 0; i < 100; i++) step();
  assert.equal(tf.memory().numTensors, tensors);
  assert.equal(heap.memory.buffer.byteLength, heapBytes);
  tf.dispose([filter, weights, images, labels]);
  optimizer.dispose();
});

test("a tensor at the very end of the memory is read no further than the memory goes", () => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  let next = 64;
  const backend = {
    wasm: { asm: { memory }, _malloc: (sizeBytes: number) => (next += sizeBytes) - sizeBytes, _free() {} },
    getMemoryOffset: ({ address }: { address: number }) => address,
    makeOutput: (shape: number[], dtype: "float32", address: number) => ({
      shape,
      dtype,
      dataId: { address },
    }),
  } as unknown as Backend;
  const heap = new Heap(backend);
  const rows = 3;
  const address = memory.buffer.byteLength - rows * 4;
  new Float32Array(memory.buffer, address).set([1, 2, 4]);
  const column: tf.TensorInfo = { dataId: { address }, shape: [rows, 1], dtype: "float32" };
  const operands = [{ tensor: column, shape: [rows, 1] }];
  const routines = new Routines(memory, { relaxedSimd: false, wide: false });
  const result = compute({ op: columnSum, params: {}, operands, resultShape: [1] }, heap, routines);
  assert.ok(typeof result !== "string");
  assert.equal(new Float32Array(memory.buffer, heap.addressOf(result))[0], 7);
});

test("a backend that hides its memory is refused", () => {
  const backend = { wasm: { _malloc: () => 0, _free: () => undefined } } as unknown as Backend;
  assert.throws(
    () => new Heap(backend),
    (error: unknown) => error instanceof SltrainError && error.code === "tfjs-memory-hidden",
  );
});

test("a memory that is full ends in an error that names the bytes", () => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const full = { _malloc: () => 0, _free: () => undefined, asm: { memory } };
  const heap = new Heap({ wasm: full } as unknown as Backend);
  assert.throws(() => heap.workspace(1000), /expected 1000 bytes .* has 65536 in all/);
});

test("a shape compiles once, and shared memories will do as well", () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 4, shared: true });
  const routines = new Routines(memory, { relaxedSimd: false, wide: false });
  const find = (rows: number) =>
    routines.find(matmul, [f32(rows, 1), f32(1, 1)], { transposeA: false, transposeB: false })!;
  assert.equal(find(2), find(2));
  assert.notEqual(find(2), find(3));

  const floats = new Float32Array(memory.buffer);
  floats.set([2, 3], 0);
  floats[32] = 5;
  find(2).run([0, 128], 256, 1024);
  assert.deepEqual([...floats.subarray(64, 66)], [10, 15]);
});
