import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseWasmKernel } from "../../../src/kernels/wasm/choose.ts";
import { ops, type OpName, type ParamsOf } from "../../../src/kernels/ops/index.ts";
import { f32, i32, type TensorType } from "../../../src/kernels/tensor.ts";
import { RandomStream } from "../../../src/random.ts";
import { caseOf } from "../cases.ts";
import { bitsOf } from "../expected.ts";
import { runKernel } from "./run-kernel.ts";

const target = { relaxedSimd: true, wide: true };

function compute<N extends OpName>(
  op: N,
  inputs: readonly TensorType[],
  params: ParamsOf<N>,
  operands: readonly (Float32Array | Int32Array)[],
) {
  const { call } = caseOf(op, inputs, params);
  return runKernel(chooseWasmKernel(ops[op], call, target)!, call, operands);
}

function assign(x: Float32Array, centroids: Float32Array, D: number) {
  const inputs = [f32(x.length / D, D), f32(centroids.length / D, D)];
  const [assignment, distances] = compute("kmeans-assign", inputs, {}, [x, centroids]);
  return { assignment: bitsOf([assignment!])[0]!, distances: distances! };
}

test("of equally near centroids the first is taken, in whichever lane it lies", () => {
  const K = 37;
  for (let first = 0; first < K; first++) {
    const centroids = new Float32Array(K).map((_, k) => (k >= first ? 1 : 9));
    const { assignment, distances } = assign(Float32Array.of(0, 2, 1), centroids, 1);
    assert.deepEqual([...assignment], [first, first, first]);
    assert.deepEqual([...distances], [1, 1, 0]);
  }
});

test("a row that is finitely far from no centroid goes to the first", () => {
  const { assignment, distances } = assign(Float32Array.of(NaN, Infinity), Float32Array.of(1, 2, 3), 1);
  assert.deepEqual([...assignment], [0, 0]);
  assert.deepEqual([...distances], [Infinity, Infinity]);
});

test("distances keep their digits where rows lie close to centroids that are far from zero", () => {
  const { distances } = assign(Float32Array.of(4097, 4096), Float32Array.of(4096.5, 4096), 2);
  assert.deepEqual([...distances], [0.25]);
});

test("Lloyd's steps, whose sums and counts are gradients of embeddings, find separate clusters", () => {
  const [B, D, K] = [90, 3, 3];
  const random = new RandomStream(1, "clusters");
  const x = Float32Array.from(
    { length: B * D },
    (_, i) => 10 * (Math.floor(i / D) % K) + random.nextNormal(),
  );
  let centroids = x.slice(0, K * D);
  for (let step = 0; step < 3; step++) {
    const { assignment } = assign(x, centroids, D);
    const rows = { vocabulary: K };
    const [sums] = compute("embedding-grad", [i32(B), f32(B, D)], rows, [assignment, x]);
    const ones = new Float32Array(B).fill(1);
    const [counts] = compute("embedding-grad", [i32(B), f32(B, 1)], rows, [assignment, ones]);
    assert.deepEqual([...counts!], [30, 30, 30]);
    centroids = sums!.map((sum, i) => sum / counts![Math.floor(i / D)]!);
  }
  centroids.forEach((value, i) => {
    assert.ok(Math.abs(value - 10 * Math.floor(i / D)) < 1, `centroid element ${i} = ${value}`);
  });
});
