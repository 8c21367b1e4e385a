// Random calls of what works on rows or on single elements.

import type { OpName, ParamsOf } from "../../../src/kernels/ops/index.ts";
import { elementCount, f32, i32, type TensorType } from "../../../src/kernels/tensor.ts";
import { matrix, noParams, rows, slope, unary, type Draft, type Draw } from "./draw.ts";

/** (p, g, ...state, hyper) */
function update<N extends OpName>(
  state: number,
  params: (draw: Draw) => ParamsOf<N>,
): (draw: Draw) => Draft<N> {
  return (draw) => {
    const p = f32(draw.extent(700));
    return { inputs: [...new Array<TensorType>(2 + state).fill(p), f32(8)], params: params(draw) };
  };
}

function elementLoss(draw: Draw) {
  const { x } = matrix(draw);
  return { inputs: [x, x], params: {} };
}

function weightedElementLoss(draw: Draw) {
  const { x } = matrix(draw);
  return { inputs: draw.optional([x, x, x]), params: {} };
}

/** (logits, labels, ...seed, weights?) */
function classLoss(draw: Draw, ...seed: readonly TensorType[]) {
  const { x, perRow } = matrix(draw);
  const labelSmoothing = draw.pick(0, 0.1, 0.5);
  return {
    inputs: draw.optional([x, perRow, ...seed, f32(...perRow.shape)]),
    params: draw.flag() ? {} : { labelSmoothing },
  };
}

function elementLossGrad(draw: Draw) {
  const { x } = matrix(draw);
  return { inputs: [x, x, f32(1)], params: {} };
}

function responseNorm(draw: Draw) {
  return {
    depthRadius: draw.int(0, 7),
    bias: draw.pick(0.5, 1, 2),
    alpha: draw.pick(0, 1e-4, 0.3),
    beta: draw.pick(0.5, 0.75, 1, 0.6, 0),
  };
}

/** Large enough that rows of nearly equal elements are well conditioned: else f32 alone makes errors that fail. */
const EPSILON = 0.1;

export const normalisations = {
  "batch-norm"(draw: Draw) {
    const { x, columns } = rows(draw);
    return { inputs: [x, columns, columns], params: { epsilon: EPSILON, activation: draw.activation() } };
  },
  "batch-norm-inference"(draw: Draw) {
    const { x, columns } = rows(draw);
    const inputs = [x, columns, columns, columns, columns];
    return { inputs, params: { epsilon: EPSILON, activation: draw.activation() } };
  },
  "batch-norm-grad"(draw: Draw) {
    const { x, columns } = rows(draw);
    const inputs = [x, columns, columns, x, columns, columns];
    const statistics = draw.pick("batch", "moving");
    return { inputs, params: { activation: draw.activation(), statistics } };
  },
  "moving-average": unary<"moving-average">((draw) => ({ momentum: draw.pick(0, 0.9, 0.99) }), 2),
  "layer-norm"(draw: Draw) {
    const { x, columns } = rows(draw);
    return { inputs: [x, columns, columns], params: { epsilon: EPSILON } };
  },
  "layer-norm-grad"(draw: Draw) {
    const { x, columns } = rows(draw);
    const perRow = f32(...x.shape.slice(0, -1));
    return { inputs: [x, columns, x, perRow, perRow], params: {} };
  },
  "local-response-norm"(draw: Draw) {
    return { inputs: [rows(draw).x], params: responseNorm(draw) };
  },
  "local-response-norm-grad"(draw: Draw) {
    const { x } = rows(draw);
    return { inputs: [x, x], params: responseNorm(draw) };
  },
};

export const elements = {
  "bias-add"(draw: Draw) {
    const { x, columns } = rows(draw);
    return { inputs: [x, columns], params: {} };
  },
  "column-sum"(draw: Draw) {
    return { inputs: [rows(draw).x], params: {} };
  },
  concat(draw: Draw) {
    const leading = draw.shape(60);
    const parts = Array.from({ length: draw.int(1, 5) }, () => f32(...leading, draw.extent(40)));
    return { inputs: parts, params: {} };
  },
  slice(draw: Draw) {
    const columns = draw.extent(90);
    const begin = draw.int(0, columns - 1);
    return {
      inputs: [f32(...draw.shape(60), columns)],
      params: { begin, end: draw.int(begin + 1, columns) },
    };
  },
  embedding(draw: Draw) {
    return { inputs: [i32(...draw.shape(60)), f32(draw.extent(50), draw.extent(70))], params: {} };
  },
  "embedding-grad"(draw: Draw) {
    const ids = draw.shape(60);
    const inputs = [i32(...ids), f32(...ids, draw.extent(70))];
    return { inputs, params: { vocabulary: draw.extent(50) } };
  },
  add: unary<"add">((draw) => (draw.flag() ? {} : { activation: draw.activation() }), 2),
  multiply: unary<"multiply">(noParams, 2),
  relu: unary<"relu">(noParams),
  "relu-grad": unary<"relu-grad">(noParams, 2),
  relu6: unary<"relu6">(noParams),
  "relu6-grad": unary<"relu6-grad">(noParams, 2),
  "leaky-relu": unary<"leaky-relu">(slope),
  "leaky-relu-grad": unary<"leaky-relu-grad">(slope, 2),
  silu: unary<"silu">(noParams),
  "silu-grad": unary<"silu-grad">(noParams, 2),
  gelu: unary<"gelu">(noParams),
  "gelu-grad": unary<"gelu-grad">(noParams, 2),
  tanh: unary<"tanh">(noParams),
  "tanh-grad": unary<"tanh-grad">(noParams, 2),
  sigmoid: unary<"sigmoid">(noParams),
  "sigmoid-grad": unary<"sigmoid-grad">(noParams, 2),
  fill(draw: Draw) {
    return { inputs: [], params: { shape: draw.shape(400), value: draw.pick(0, 1, -2.5, 1e-30) } };
  },
  dropout(draw: Draw) {
    const { x } = matrix(draw);
    return { inputs: [x, i32(4)], params: { rate: draw.pick(0, 0.1, 0.5, 0.97), layer: draw.int(0, 3) } };
  },
};

export const losses = {
  softmax(draw: Draw) {
    return { inputs: [matrix(draw).x], params: {} };
  },
  "softmax-grad": elementLoss,
  "softmax-cross-entropy": (draw: Draw) => classLoss(draw),
  "softmax-cross-entropy-grad": (draw: Draw) => classLoss(draw, f32(1)),
  "softmax-cross-entropy-with-grad": (draw: Draw) => classLoss(draw),
  "sigmoid-cross-entropy": weightedElementLoss,
  "sigmoid-cross-entropy-grad": elementLossGrad,
  "mean-squared-error": weightedElementLoss,
  "mean-squared-error-grad": elementLossGrad,
  hinge: weightedElementLoss,
  "hinge-grad": elementLossGrad,
  "squared-hinge": weightedElementLoss,
  "squared-hinge-grad": elementLossGrad,
};

export const updates = {
  "sgd-update": update<"sgd-update">(0, noParams),
  "momentum-update": update<"momentum-update">(1, (draw) => ({ nesterov: draw.flag() })),
  "adam-update": update<"adam-update">(2, (draw) => ({ decoupled: draw.flag() })),
  "adagrad-update": update<"adagrad-update">(1, noParams),
  "lars-update"(draw: Draw) {
    const vector = f32(draw.extent(700));
    const norms = draw.flag() ? [] : [f32(1), f32(1)];
    return { inputs: [vector, vector, vector, f32(8), ...norms], params: {} };
  },
  "sum-of-squares": unary<"sum-of-squares">(noParams),
  "clip-norm"(draw: Draw) {
    return { inputs: [f32(draw.extent(700)), f32(1)], params: { maximum: draw.pick(0.01, 0.5, 3) } };
  },
  "clip-value": unary<"clip-value">((draw) => ({ maximum: draw.pick(0.01, 0.5, 3) })),
  divide(draw: Draw) {
    return { inputs: [f32(draw.extent(700)), f32(1)], params: {} };
  },
};

export const codecs = {
  ...{ "bf16-encode": halfEncode, "bf16-decode": halfDecode },
  ...{ "f16-encode": halfEncode, "f16-decode": halfDecode },
  "int8-encode"(draw: Draw) {
    const x = f32(draw.extent(700));
    const rounding = draw.pick("nearest", "stochastic");
    const inputs = rounding === "nearest" ? [x] : [x, i32(4)];
    return { inputs, params: { blockElements: blockElements(draw, elementCount(x)), rounding } };
  },
  "int8-decode"(draw: Draw) {
    const length = draw.extent(700);
    const params = { length, blockElements: blockElements(draw, length) };
    return { inputs: [i32(Math.ceil(length / 4)), f32(Math.ceil(length / params.blockElements))], params };
  },
  "byte-shuffle"(draw: Draw) {
    return { inputs: [i32(draw.extent(700))], params: {} };
  },
  "byte-unshuffle"(draw: Draw) {
    const length = draw.extent(700);
    return { inputs: [i32(4 * Math.ceil(length / 4))], params: { length } };
  },
  xxh32(draw: Draw) {
    return { inputs: [i32(draw.extent(700))], params: { pieceWords: draw.extent(300) } };
  },
};

function halfEncode(draw: Draw) {
  return { inputs: [f32(draw.extent(700))], params: {} };
}

function halfDecode(draw: Draw) {
  const length = draw.extent(700);
  return { inputs: [i32(Math.ceil(length / 2))], params: { length } };
}

/** A multiple of 32, or no less than the length. */
function blockElements(draw: Draw, length: number): number {
  return draw.flag() ? 32 * draw.int(1, 9) : length + draw.int(0, 5);
}
