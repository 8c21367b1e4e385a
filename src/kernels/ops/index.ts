// The list of all ops: kernels, tests and benches read it. Keyed by the op's own name (a test holds it to that).

import type { AnyOp, Op } from "../op.ts";
import { batchNorm, batchNormGrad, batchNormInference, movingAverage } from "./batch-norm.ts";
import { biasAdd, columnSum } from "./bias.ts";
import { byteShuffle, byteUnshuffle } from "./byte-shuffle.ts";
import { clipNorm, clipValue } from "./clip.ts";
import { cachedAttention } from "./cached-attention.ts";
import { causalAttention, causalAttentionGrad } from "./causal-attention.ts";
import { concat, slice } from "./concat.ts";
import { conv2d, conv2dFilterGrad, conv2dInputGrad } from "./conv2d.ts";
import { conv2dMaxPool, conv2dMaxPoolFilterGrad, conv2dMaxPoolInputGrad } from "./conv2d-max-pool.ts";
import { depthwiseConv2d, depthwiseConv2dFilterGrad, depthwiseConv2dInputGrad } from "./depthwise-conv2d.ts";
import { divide } from "./divide.ts";
import { dropout } from "./dropout.ts";
import {
  add,
  gelu,
  geluGrad,
  leakyRelu,
  leakyReluGrad,
  multiply,
  relu,
  relu6,
  relu6Grad,
  reluGrad,
  sigmoid,
  sigmoidGrad,
  silu,
  siluGrad,
  tanh,
  tanhGrad,
} from "./elementwise.ts";
import { embedding, embeddingGrad } from "./embedding.ts";
import { fill } from "./fill.ts";
import { globalAvgPool, globalAvgPoolGrad } from "./global-avg-pool.ts";
import { bf16Decode, bf16Encode, f16Decode, f16Encode } from "./half-precision.ts";
import { int8Decode, int8Encode } from "./int8.ts";
import { kmeansAssign } from "./kmeans-assign.ts";
import { layerNorm, layerNormGrad } from "./layer-norm.ts";
import { localResponseNorm, localResponseNormGrad } from "./local-response-norm.ts";
import {
  hinge,
  hingeGrad,
  meanSquaredError,
  meanSquaredErrorGrad,
  sigmoidCrossEntropy,
  sigmoidCrossEntropyGrad,
  softmaxCrossEntropy,
  softmaxCrossEntropyGrad,
  softmaxCrossEntropyWithGrad,
  squaredHinge,
  squaredHingeGrad,
} from "./losses.ts";
import { dense, matmul } from "./matmul.ts";
import { avgPool, avgPoolGrad, maxPool, maxPoolGrad } from "./pooling.ts";
import { reshape } from "./reshape.ts";
import { sparseDense, sparseDenseGrad, sparseSgdUpdate } from "./sparse-dense.ts";
import { softmax, softmaxGrad } from "./softmax.ts";
import { sumOfSquares } from "./sum-of-squares.ts";
import { adagradUpdate, adamUpdate, larsUpdate, momentumUpdate, sgdUpdate } from "./updates.ts";
import { xxh32 } from "./xxh32.ts";

export const ops = {
  dense,
  matmul,
  conv2d,
  "conv2d-input-grad": conv2dInputGrad,
  "conv2d-filter-grad": conv2dFilterGrad,
  "conv2d-max-pool": conv2dMaxPool,
  "conv2d-max-pool-input-grad": conv2dMaxPoolInputGrad,
  "conv2d-max-pool-filter-grad": conv2dMaxPoolFilterGrad,
  "depthwise-conv2d": depthwiseConv2d,
  "depthwise-conv2d-input-grad": depthwiseConv2dInputGrad,
  "depthwise-conv2d-filter-grad": depthwiseConv2dFilterGrad,
  "max-pool": maxPool,
  "max-pool-grad": maxPoolGrad,
  "avg-pool": avgPool,
  "avg-pool-grad": avgPoolGrad,
  "global-avg-pool": globalAvgPool,
  "global-avg-pool-grad": globalAvgPoolGrad,
  concat,
  slice,
  "batch-norm": batchNorm,
  "batch-norm-inference": batchNormInference,
  "batch-norm-grad": batchNormGrad,
  "moving-average": movingAverage,
  "layer-norm": layerNorm,
  "layer-norm-grad": layerNormGrad,
  "local-response-norm": localResponseNorm,
  "local-response-norm-grad": localResponseNormGrad,
  "cached-attention": cachedAttention,
  "causal-attention": causalAttention,
  "causal-attention-grad": causalAttentionGrad,
  embedding,
  "embedding-grad": embeddingGrad,
  "bias-add": biasAdd,
  "column-sum": columnSum,
  add,
  multiply,
  relu,
  "relu-grad": reluGrad,
  relu6,
  "relu6-grad": relu6Grad,
  "leaky-relu": leakyRelu,
  "leaky-relu-grad": leakyReluGrad,
  silu,
  "silu-grad": siluGrad,
  gelu,
  "gelu-grad": geluGrad,
  tanh,
  "tanh-grad": tanhGrad,
  sigmoid,
  "sigmoid-grad": sigmoidGrad,
  softmax,
  "softmax-grad": softmaxGrad,
  reshape,
  fill,
  dropout,
  "sparse-dense": sparseDense,
  "sparse-dense-grad": sparseDenseGrad,
  "sparse-sgd-update": sparseSgdUpdate,
  "kmeans-assign": kmeansAssign,
  "softmax-cross-entropy": softmaxCrossEntropy,
  "softmax-cross-entropy-grad": softmaxCrossEntropyGrad,
  "softmax-cross-entropy-with-grad": softmaxCrossEntropyWithGrad,
  "sigmoid-cross-entropy": sigmoidCrossEntropy,
  "sigmoid-cross-entropy-grad": sigmoidCrossEntropyGrad,
  "mean-squared-error": meanSquaredError,
  "mean-squared-error-grad": meanSquaredErrorGrad,
  hinge,
  "hinge-grad": hingeGrad,
  "squared-hinge": squaredHinge,
  "squared-hinge-grad": squaredHingeGrad,
  "sgd-update": sgdUpdate,
  "momentum-update": momentumUpdate,
  "adam-update": adamUpdate,
  "adagrad-update": adagradUpdate,
  "lars-update": larsUpdate,
  "sum-of-squares": sumOfSquares,
  divide,
  "clip-norm": clipNorm,
  "clip-value": clipValue,
  "bf16-encode": bf16Encode,
  "bf16-decode": bf16Decode,
  "f16-encode": f16Encode,
  "f16-decode": f16Decode,
  "int8-encode": int8Encode,
  "int8-decode": int8Decode,
  "byte-shuffle": byteShuffle,
  "byte-unshuffle": byteUnshuffle,
  xxh32,
} as const satisfies Readonly<Record<string, AnyOp>>;

export type OpName = keyof typeof ops;

/** The params of the op of this name. */
export type ParamsOf<N extends OpName> = (typeof ops)[N] extends Op<infer P> ? P : never;
