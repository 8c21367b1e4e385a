import assert from "node:assert/strict";
import { test } from "node:test";
import { ops } from "../../../src/kernels/ops/index.ts";
import { windowAxis } from "../../../src/kernels/ops/window.ts";
import type { AnyOp } from "../../../src/kernels/op.ts";
import { f32, formatType, i32, type TensorType } from "../../../src/kernels/tensor.ts";

const conv = { strides: [1, 1], padding: "valid", activation: "none" };
const norm = { epsilon: 1e-3, activation: "none" };
const pool = { poolSize: [2, 2], strides: [2, 2], padding: "valid" };

test("every op is listed under its own name", () => {
  for (const [name, op] of Object.entries(ops)) assert.equal(op.name, name);
});

test("an op infers the shapes of its outputs", () => {
  const cases: readonly [AnyOp, readonly TensorType[], object, readonly string[]][] = [
    [ops.dense, [f32(2, 3), f32(3, 4), f32(4)], { activation: "relu" }, ["f32[2,4]"]],
    [ops.matmul, [f32(3, 2), f32(4, 3)], { transposeA: true, transposeB: true }, ["f32[2,4]"]],
    [ops.conv2d, [f32(2, 9, 8, 3), f32(3, 2, 3, 5)], conv, ["f32[2,7,7,5]"]],
    [
      ops.conv2d,
      [f32(2, 9, 8, 3), f32(3, 2, 3, 5)],
      { ...conv, strides: [2, 3], padding: "same" },
      ["f32[2,5,3,5]"],
    ],
    [ops["max-pool"], [f32(2, 5, 4, 3)], pool, ["f32[2,2,2,3]"]],
    [ops["avg-pool"], [f32(2, 5, 4, 3)], { ...pool, padding: "same" }, ["f32[2,3,2,3]"]],
    [ops["column-sum"], [f32(2, 5, 4, 3)], {}, ["f32[3]"]],
    [ops["layer-norm"], [f32(2, 5, 3), f32(3), f32(3)], norm, ["f32[2,5,3]", "f32[2,5]", "f32[2,5]"]],
    [ops["global-avg-pool"], [f32(2, 5, 4, 3)], {}, ["f32[2,3]"]],
    [ops.concat, [f32(2, 5, 3), f32(2, 5, 4)], {}, ["f32[2,5,7]"]],
    [ops.embedding, [i32(2, 5), f32(9, 3)], {}, ["f32[2,5,3]"]],
    [
      ops["batch-norm"],
      [f32(2, 5, 4, 3), f32(3), f32(3)],
      norm,
      ["f32[2,5,4,3]", "f32[3]", "f32[3]", "f32[3]"],
    ],
    [ops.reshape, [f32(2, 6)], { shape: [3, 4] }, ["f32[3,4]"]],
    [ops.dropout, [f32(2, 3, 4), i32(4)], { rate: 0.5, layer: 0 }, ["f32[2,3,4]"]],
    [ops["softmax-cross-entropy"], [f32(2, 10), i32(2)], {}, ["f32[1]", "f32[1]"]],
    [ops["bf16-encode"], [f32(7)], {}, ["i32[4]"]],
    [ops["int8-encode"], [f32(70)], { blockElements: 32, rounding: "nearest" }, ["i32[18]", "f32[3]"]],
    [ops["byte-shuffle"], [i32(7)], {}, ["i32[8]"]],
    [ops.xxh32, [i32(70)], { pieceWords: 32 }, ["i32[3]"]],
    [
      ops["adam-update"],
      [f32(64), f32(64), f32(64), f32(64), f32(8)],
      { decoupled: true },
      ["f32[64]", "f32[64]", "f32[64]"],
    ],
  ];
  for (const [op, inputs, params, expected] of cases)
    assert.deepEqual(op.infer(inputs, params).map(formatType), expected, op.name);
});

test("a shape that does not fit is refused, naming the op, the operands and both extents", () => {
  const product = { transposeA: false, transposeB: false };
  const update = [f32(64), f32(64), f32(8)];
  const cases: readonly [AnyOp, readonly TensorType[], object, string][] = [
    [ops.matmul, [f32(3, 64), f32(32, 5)], product, "matmul: a.shape[1] = 64 but b.shape[0] = 32"],
    [
      ops.matmul,
      [f32(3, 64), f32(32, 5)],
      { ...product, transposeB: true },
      "matmul: a.shape[1] = 64 but b.shape[1] = 5",
    ],
    [ops.add, [f32(3, 4), f32(3, 4, 1)], {}, "add: a.shape.length = 2 but b.shape.length = 3"],
    [ops.add, [f32(3, 4)], {}, "add: takes the operands a, b but got 1"],
    [ops["bias-add"], [f32(2, 3, 4), f32(3)], {}, "bias-add: x.shape[2] = 4 but bias.shape[0] = 3"],
    [
      ops.dense,
      [f32(2, 3, 4), f32(4, 3)],
      { activation: "none" },
      "dense: x is f32[2,3,4] but expected [B, K]",
    ],
    [
      ops.dense,
      [f32(2, 0), f32(4, 3)],
      { activation: "none" },
      "dense: x.shape[1] = 0 but expected a positive integer",
    ],
    [ops.conv2d, [f32(2, 9, 9, 1), f32(3, 3, 2, 6)], conv, "conv2d: x.shape[3] = 1 but w.shape[2] = 2"],
    [
      ops.conv2d,
      [f32(2, 3, 9, 1), f32(5, 3, 1, 6)],
      conv,
      'conv2d: x.shape[1] = 3 but the window = 5 (padding "valid" needs it to fit)',
    ],
    [
      ops.conv2d,
      [f32(2, 9, 6, 1), f32(3, 3, 1, 6)],
      { ...conv, dilations: [2, 3] },
      'conv2d: x.shape[2] = 6 but the window = 7 (3 cells, 3 apart) (padding "valid" needs it to fit)',
    ],
    [
      ops["conv2d-input-grad"],
      [f32(2, 8, 7, 6), f32(3, 3, 1, 6)],
      { ...conv, inputShape: [2, 9, 9, 1] },
      "conv2d-input-grad: dy.shape[1] = 8 but the convolution's = 7",
    ],
    [
      ops["max-pool-grad"],
      [f32(1, 4, 4, 1), f32(1, 2, 3, 1), f32(1, 2, 3, 1)],
      pool,
      "max-pool-grad: y.shape[2] = 3 but the pool's = 2",
    ],
    [
      ops.reshape,
      [f32(2, 3)],
      { shape: [4, 2] },
      "reshape: x is f32[2,3] with 6 elements but shape [4,2] has 8",
    ],
    [
      ops.dropout,
      [f32(2, 3), i32(3)],
      { rate: 0.5, layer: 0 },
      "dropout: counters.shape[0] = 3 but expected 4",
    ],
    [
      ops["softmax-cross-entropy"],
      [f32(2, 10), f32(2)],
      {},
      "softmax-cross-entropy: labels is f32[2] but expected i32",
    ],
    [ops.concat, [f32(2, 5), f32(3, 5)], {}, "concat: x0.shape[0] = 2 but x1.shape[0] = 3"],
    [
      ops.concat,
      [f32(2, 5), f32(2, 5, 1)],
      {},
      "concat: x0.shape.length - 1 = 1 but x1.shape.length - 1 = 2",
    ],
    [ops.concat, [], {}, "concat: takes the operands x0 but got 0"],
    [
      ops.slice,
      [f32(2, 5)],
      { begin: 3, end: 6 },
      "slice: [3, 6) but expected a stretch of x's last axis, [0, 5)",
    ],
    [ops["f16-decode"], [i32(4)], { length: 9 }, "f16-decode: packed.shape[0] = 4 but ceil(length / 2) = 5"],
    [
      ops["int8-encode"],
      [f32(100)],
      { blockElements: 48, rounding: "nearest" },
      "int8-encode: blockElements = 48 but expected a multiple of 32, or at least 100",
    ],
    [
      ops["int8-encode"],
      [f32(100)],
      { blockElements: 32, rounding: "stochastic" },
      "int8-encode: takes the operands x, counters but got 1",
    ],
    [ops["sgd-update"], [...update.slice(0, 2), f32(7)], {}, "sgd-update: hyper.shape[0] = 7 but expected 8"],
    [ops["sgd-update"], [f32(64), f32(128), f32(8)], {}, "sgd-update: p.shape[0] = 64 but g.shape[0] = 128"],
  ];
  for (const [op, inputs, params, message] of cases)
    assert.throws(() => op.infer(inputs, params), { code: "shape-mismatch", message });
});

test("a dropout rate of 1 is refused: nothing would be left to scale", () => {
  assert.throws(() => ops.dropout.infer([f32(2, 3), i32(4)], { rate: 1, layer: 0 }), { code: "bad-params" });
});

test("params that an op cannot mean are refused", () => {
  const lrn = { depthRadius: 2, bias: 1, alpha: 1, beta: 0.5 };
  const cases: readonly [AnyOp, object, string][] = [
    [ops["leaky-relu"], { alpha: -0.1 }, "leaky-relu: alpha = -0.1 but expected alpha >= 0"],
    [
      ops["local-response-norm"],
      { ...lrn, depthRadius: 1.5 },
      "local-response-norm: depthRadius = 1.5 but expected an integer of at least 0",
    ],
    [
      ops["local-response-norm"],
      { ...lrn, bias: 0 },
      "local-response-norm: bias = 0 but expected a number above 0",
    ],
  ];
  for (const [op, params, message] of cases)
    assert.throws(() => op.infer([f32(2, 3)], params), { code: "bad-params", message });
});

test("same padding is split as in TensorFlow: the odd cell goes behind", () => {
  const axis = (input: number, window: number, stride: number, dilation?: number) =>
    windowAxis("op", "x", input, window, stride, "same", dilation);
  assert.deepEqual(axis(28, 5, 1), { output: 28, before: 2, after: 2 });
  assert.deepEqual(axis(4, 3, 2), { output: 2, before: 0, after: 1 });
  assert.deepEqual(axis(7, 4, 3), { output: 3, before: 1, after: 2 });
  assert.deepEqual(axis(8, 1, 3), { output: 3, before: 0, after: 0 });
  assert.deepEqual(axis(9, 3, 1, 2), { output: 9, before: 2, after: 2 });
  assert.deepEqual(axis(8, 2, 2, 3), { output: 4, before: 1, after: 1 });
});

test("flops count two for every multiply-add", () => {
  assert.equal(
    ops.matmul.flops([f32(3, 5), f32(5, 7)], { transposeA: false, transposeB: false }),
    2 * 3 * 5 * 7,
  );
  assert.equal(
    ops.dense.flops([f32(3, 5), f32(5, 7), f32(7)], { activation: "relu" }),
    2 * 3 * 5 * 7 + 3 * 7,
  );
  const forward = ops.conv2d.flops([f32(2, 9, 9, 3), f32(3, 3, 3, 8)], {
    strides: [1, 1],
    padding: "same",
    activation: "none",
  });
  assert.equal(forward, 2 * (2 * 9 * 9 * 8) * (3 * 3 * 3));
});
