// Valid calls of every op, drawn at random: for each op, from which ranges its extents and params come. An op that is
// missing here is a compile error.

import { RandomStream } from "../../../src/random.ts";
import type { OpName, ParamsOf } from "../../../src/kernels/ops/index.ts";
import { conv2dGeometry, convOutputType, type ConvWindow } from "../../../src/kernels/ops/conv2d.ts";
import { conv2dMaxPoolGeometry } from "../../../src/kernels/ops/conv2d-max-pool.ts";
import { depthwiseGeometry } from "../../../src/kernels/ops/depthwise-conv2d.ts";
import { poolGeometry, type PoolParams } from "../../../src/kernels/ops/pooling.ts";
import { elementCount, f32, i32, type TensorType } from "../../../src/kernels/tensor.ts";
import { caseOf, type Case } from "./cases.ts";

/** Ops that run a kernel. */
export type ComputingOp = Exclude<OpName, "reshape">;

interface Draft<N extends OpName> {
  readonly inputs: readonly TensorType[];
  readonly params: ParamsOf<N>;
}

/** What calls are drawn with. Bounds are inclusive. */
class Draw {
  readonly #random: RandomStream;

  constructor(random: RandomStream) {
    this.#random = random;
  }

  int(low: number, high: number): number {
    return low + this.#random.nextInt(high - low + 1);
  }

  /** 1..most, small ones and those next to multiples of 4 more often. */
  extent(most: number): number {
    const any = this.int(1, this.flag() ? most : Math.ceil(Math.sqrt(most)));
    return this.flag() ? any : Math.min(most, Math.max(1, Math.round(any / 4) * 4 + this.int(-1, 1)));
  }

  flag(): boolean {
    return this.#random.nextInt(2) === 1;
  }

  pick<const T>(...choices: readonly T[]): T {
    return choices[this.#random.nextInt(choices.length)]!;
  }

  /** All, or all but the last. */
  optional(operands: readonly TensorType[]): readonly TensorType[] {
    return operands.slice(0, operands.length - this.int(0, 1));
  }

  activation(): "none" | "relu" {
    return this.pick("none", "relu");
  }

  /** Of up to three axes, `elements` at most. */
  shape(elements: number): readonly number[] {
    const last = this.extent(elements);
    const middle = this.extent(Math.floor(elements / last));
    return this.pick(
      [last],
      [middle, last],
      [this.extent(Math.ceil(elements / last / middle)), middle, last],
    );
  }
}

/** A sparse matrix and what it is multiplied with, or the gradient of the product. */
function sparseProduct(draw: Draw) {
  const [nonZeros, rows] = [draw.extent(120), draw.extent(20)];
  const [features, columns] = [draw.extent(60), draw.extent(40)];
  const matrix = [f32(nonZeros), i32(nonZeros), i32(rows + 1)];
  return { matrix, features, columns, w: f32(features, columns), dy: f32(rows, columns) };
}

type Pair = readonly [number, number];
type Quad = readonly [number, number, number, number];

/** Multiply-adds of a convolution, so that the reference has done soon. */
const MAXIMUM_MULTIPLY_ADDS = 1e6;
const MAXIMUM_ELEMENTS = 1 << 13;

interface Window {
  readonly image: Pair;
  readonly filter: Pair;
  readonly strides: Pair;
  readonly dilations: Pair;
  readonly padding: "same" | "valid";
}

/** Often 3x3 or 1x1, for which there are kernels of their own. */
function window(draw: Draw, mostDilation: number): Window {
  const padding = draw.pick("same", "valid");
  const kind = draw.pick("any", "any", "3x3", "1x1");
  const axis = () => {
    const filter = kind === "any" ? draw.int(1, 5) : kind === "3x3" ? 3 : 1;
    const plain = kind === "3x3" && draw.flag();
    const dilation = plain || draw.flag() ? 1 : draw.int(1, mostDilation);
    const span = (filter - 1) * dilation + 1;
    const image = padding === "valid" ? span + draw.int(0, 12) : draw.extent(16);
    return { filter, dilation, image, stride: plain || draw.flag() ? 1 : draw.int(1, 4) };
  };
  const [v, h] = [axis(), axis()];
  return {
    image: [v.image, h.image],
    filter: [v.filter, h.filter],
    strides: [v.stride, h.stride],
    dilations: [v.dilation, h.dilation],
    padding,
  };
}

interface Convolution {
  readonly x: Quad;
  readonly w: Quad;
  readonly window: ConvWindow;
}

function convolution(draw: Draw, mostDilation = 4): Convolution {
  for (;;) {
    const { image, filter, ...rest } = window(draw, mostDilation);
    const [B, C, N] = [draw.int(1, 13), draw.extent(70), draw.extent(70)];
    const drawn: Convolution = { x: [B, ...image, C], w: [...filter, C, N], window: rest };
    const { vertical, horizontal } = conv2dGeometry("random", drawn.x, drawn.w, rest);
    const taps = filter[0] * filter[1] * C * N;
    if (B * vertical.output * horizontal.output * taps <= MAXIMUM_MULTIPLY_ADDS) return drawn;
  }
}

function convolved({ x, w, window }: Convolution): TensorType {
  return convOutputType(conv2dGeometry("random", x, w, window));
}

function depthwise(draw: Draw) {
  for (;;) {
    const { image, filter, ...rest } = window(draw, 4);
    const [B, C, M] = [draw.int(1, 13), draw.extent(70), draw.flag() ? 1 : draw.int(1, 5)];
    const [x, w]: readonly [Quad, Quad] = [
      [B, ...image, C],
      [...filter, C, M],
    ];
    const geometry = depthwiseGeometry("random", x, w, rest);
    const y = convOutputType(geometry);
    if (elementCount(y) * filter[0] * filter[1] <= MAXIMUM_MULTIPLY_ADDS / 4)
      return { x, w, window: rest, y };
  }
}

function pooledConvolution(draw: Draw) {
  for (;;) {
    const { x, w, window } = convolution(draw, 1);
    const { dilations: _, ...plain } = window;
    const { vertical, horizontal } = conv2dGeometry("random", x, w, plain);
    const poolSize: Pair = draw.flag() ? [2, 2] : [draw.int(1, 4), draw.int(1, 4)];
    if (poolSize[0] > vertical.output || poolSize[1] > horizontal.output) continue;
    const params = { ...plain, poolSize };
    const { B, N, pooled } = conv2dMaxPoolGeometry("random", x, w, params);
    return { x, w, params, y: [B, ...pooled, N] };
  }
}

function pool(draw: Draw) {
  for (;;) {
    const { image, filter, strides, padding } = window(draw, 1);
    const [B, C] = [draw.int(1, 5), draw.extent(70)];
    const x: Quad = [B, ...image, C];
    if (B * image[0] * image[1] * C > MAXIMUM_ELEMENTS) continue;
    const params: PoolParams = { poolSize: filter, strides, padding };
    const { vertical, horizontal } = poolGeometry("random", x, params);
    return { x, params, y: f32(B, vertical.output, horizontal.output, C) };
  }
}

const flat = (draw: Draw): TensorType => f32(...draw.shape(draw.pick(40, 400)));

/** x[..., C], and C. */
function rows(draw: Draw): { readonly x: TensorType; readonly columns: TensorType } {
  const x = f32(...draw.shape(draw.pick(100, 4_000)));
  return { x, columns: f32(x.shape.at(-1)!) };
}

function matrix(draw: Draw): { readonly x: TensorType; readonly perRow: TensorType } {
  const [B, C] = [draw.extent(70), draw.extent(200)];
  return { x: f32(B, C), perRow: i32(B) };
}

function unary<N extends OpName>(
  params: (draw: Draw) => ParamsOf<N>,
  operands = 1,
): (draw: Draw) => Draft<N> {
  return (draw) => ({ inputs: new Array<TensorType>(operands).fill(flat(draw)), params: params(draw) });
}
const noParams = () => ({});
const slope = (draw: Draw) => ({ alpha: draw.pick(0, 0.01, 0.3, 1, 1.5) });

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

const products = {
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

const convolutions = {
  conv2d(draw: Draw) {
    const { x, w, window } = convolution(draw);
    const operands = [f32(...x), f32(...w), f32(w[3])];
    return { inputs: draw.optional(operands), params: { ...window, activation: draw.activation() } };
  },
  "conv2d-input-grad"(draw: Draw) {
    const drawn = convolution(draw);
    const operands = [convolved(drawn), f32(...drawn.w), f32(...drawn.x)];
    return { inputs: draw.optional(operands), params: { ...drawn.window, inputShape: drawn.x } };
  },
  "conv2d-filter-grad"(draw: Draw) {
    const drawn = convolution(draw);
    return { inputs: [f32(...drawn.x), convolved(drawn)], params: { ...drawn.window, filterShape: drawn.w } };
  },
  "depthwise-conv2d"(draw: Draw) {
    const { x, w, window } = depthwise(draw);
    const operands = [f32(...x), f32(...w), f32(w[2] * w[3])];
    return { inputs: draw.optional(operands), params: { ...window, activation: draw.activation() } };
  },
  "depthwise-conv2d-input-grad"(draw: Draw) {
    const { x, w, window, y } = depthwise(draw);
    return { inputs: draw.optional([y, f32(...w), f32(...x)]), params: { ...window, inputShape: x } };
  },
  "depthwise-conv2d-filter-grad"(draw: Draw) {
    const { x, w, window, y } = depthwise(draw);
    return { inputs: [f32(...x), y], params: { ...window, filterShape: w } };
  },
  "conv2d-max-pool"(draw: Draw) {
    const { x, w, params } = pooledConvolution(draw);
    const operands = [f32(...x), f32(...w), f32(w[3])];
    return { inputs: draw.optional(operands), params: { ...params, activation: draw.activation() } };
  },
  "conv2d-max-pool-input-grad"(draw: Draw) {
    const { x, w, params, y } = pooledConvolution(draw);
    const operands = [f32(...y), i32(...y), f32(...w), f32(...x)];
    return { inputs: draw.optional(operands), params: { ...params, inputShape: x } };
  },
  "conv2d-max-pool-filter-grad"(draw: Draw) {
    const { x, w, params, y } = pooledConvolution(draw);
    return { inputs: [f32(...x), f32(...y), i32(...y)], params: { ...params, filterShape: w } };
  },
};

const pools = {
  "max-pool"(draw: Draw) {
    const { x, params } = pool(draw);
    return { inputs: [f32(...x)], params };
  },
  "max-pool-grad"(draw: Draw) {
    const { x, y, params } = pool(draw);
    return { inputs: [f32(...x), y, y], params };
  },
  "avg-pool"(draw: Draw) {
    const { x, params } = pool(draw);
    return { inputs: [f32(...x)], params };
  },
  "avg-pool-grad"(draw: Draw) {
    const { x, y, params } = pool(draw);
    return { inputs: draw.optional([y, f32(...x)]), params: { ...params, inputShape: x } };
  },
  "global-avg-pool"(draw: Draw) {
    return { inputs: [f32(draw.int(1, 13), draw.extent(60), draw.extent(70))], params: {} };
  },
  "global-avg-pool-grad"(draw: Draw) {
    const [B, C] = [draw.int(1, 13), draw.extent(70)];
    return { inputs: [f32(B, C)], params: { inputShape: [B, draw.extent(9), draw.extent(7), C] } };
  },
};

/** Large enough that rows of nearly equal elements are well conditioned: else f32 alone makes errors that fail. */
const EPSILON = 0.1;

const normalisations = {
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

const elements = {
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

const losses = {
  softmax(draw: Draw) {
    return { inputs: [matrix(draw).x], params: {} };
  },
  "softmax-grad": elementLoss,
  "softmax-cross-entropy"(draw: Draw) {
    const { x, perRow } = matrix(draw);
    return { inputs: [x, perRow], params: {} };
  },
  "softmax-cross-entropy-grad"(draw: Draw) {
    const { x, perRow } = matrix(draw);
    return { inputs: [x, perRow, f32(1)], params: {} };
  },
  "softmax-cross-entropy-with-grad"(draw: Draw) {
    const { x, perRow } = matrix(draw);
    return { inputs: [x, perRow], params: {} };
  },
  "sigmoid-cross-entropy": elementLoss,
  "sigmoid-cross-entropy-grad": elementLossGrad,
  "mean-squared-error": elementLoss,
  "mean-squared-error-grad": elementLossGrad,
  hinge: elementLoss,
  "hinge-grad": elementLossGrad,
  "squared-hinge": elementLoss,
  "squared-hinge-grad": elementLossGrad,
};

const updates = {
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
};

const codecs = {
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

/** By family, each of which has a test file. */
export const randomCalls = {
  products,
  convolutions,
  pools,
  normalisations,
  elements,
  losses,
  updates,
  codecs,
};
export type Family = keyof typeof randomCalls;

type Drafts = { readonly [N in ComputingOp]: (draw: Draw) => Draft<N> };

const drafts: Drafts = {
  ...{ ...products, ...convolutions, ...pools, ...normalisations },
  ...{ ...elements, ...losses, ...updates, ...codecs },
};

/** A function of op and number alone. */
export function randomCase(op: ComputingOp, number: number): Case {
  const draft: (draw: Draw) => Draft<OpName> = drafts[op];
  const { inputs, params } = draft(new Draw(new RandomStream(number, `call of ${op}`)));
  return caseOf<OpName>(op, inputs, params);
}
