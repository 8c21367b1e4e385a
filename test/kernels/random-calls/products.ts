// Random calls of products.

import { f32, i32 } from "../../../src/kernels/tensor.ts";
import { MAXIMUM_MULTIPLY_ADDS, type Draw } from "./draw.ts";

/** A sparse matrix and what it is multiplied with, or the gradient of the product. */
function sparseProduct(draw: Draw) {
  const [nonZeros, rows] = [draw.extent(120), draw.extent(20)];
  const [features, columns] = [draw.extent(60), draw.extent(40)];
  const matrix = [f32(nonZeros), i32(nonZeros), i32(rows + 1)];
  return { matrix, features, columns, w: f32(features, columns), dy: f32(rows, columns) };
}

/** Operands of attention, of several heads. */
function attention(draw: Draw) {
  const [batch, positions] = [draw.int(1, 3), draw.extent(90)];
  const [heads, headWidth] = [draw.int(1, 4), draw.extent(40)];
  const width = heads * headWidth;
  const [y, logSumExp] = [f32(batch, positions, width), f32(batch, heads, positions)];
  return { qkv: f32(batch, positions, 3 * width), y, logSumExp, params: { heads } };
}

export const products = {
  "cached-attention"(draw: Draw) {
    const { qkv, params } = attention(draw);
    const [batch, , features] = qkv.shape as [number, number, number];
    return { inputs: [f32(batch, features), qkv, i32(batch)], params };
  },
  "causal-attention"(draw: Draw) {
    const { qkv, params } = attention(draw);
    return { inputs: [qkv], params };
  },
  "causal-attention-grad"(draw: Draw) {
    const { qkv, y, logSumExp, params } = attention(draw);
    return { inputs: [qkv, y, logSumExp, y], params };
  },
  "kmeans-assign"(draw: Draw) {
    const [rows, columns] = [draw.extent(60), draw.extent(50)];
    return { inputs: [f32(rows, columns), f32(draw.extent(70), columns)], params: {} };
  },
  "sparse-dense"(draw: Draw) {
    const { matrix, w, columns } = sparseProduct(draw);
    return { inputs: draw.optional([...matrix, w, f32(columns)]), params: {} };
  },
  "sparse-dense-grad"(draw: Draw) {
    const { matrix, dy, features } = sparseProduct(draw);
    return { inputs: [...matrix, dy], params: { features } };
  },
  "sparse-sgd-update"(draw: Draw) {
    const { matrix, w, dy } = sparseProduct(draw);
    return { inputs: [w, ...matrix, dy, f32(1)], params: {} };
  },
  dense(draw: Draw) {
    const [M, N, K] = productExtents(draw);
    return {
      inputs: draw.optional([f32(M, K), f32(K, N), f32(N)]),
      params: { activation: draw.activation() },
    };
  },
  matmul(draw: Draw) {
    const [M, N, K] = productExtents(draw);
    const params = { transposeA: draw.flag(), transposeB: draw.flag() };
    const a = params.transposeA ? f32(K, M) : f32(M, K);
    const b = params.transposeB ? f32(N, K) : f32(K, N);
    return { inputs: draw.optional([a, b, f32(M, N)]), params };
  },
};

function productExtents(draw: Draw): readonly [number, number, number] {
  for (;;) {
    const [M, N, K] = [draw.extent(260), draw.extent(260), draw.extent(draw.pick(300, 1_500))];
    if (M * N * K <= MAXIMUM_MULTIPLY_ADDS) return [M, N, K];
  }
}
