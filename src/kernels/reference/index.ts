// The reference device's kernels, one per op that is no view: a missing one is a compile error.

import type { ReferenceKernel } from "../kernel.ts";
import type { OpName, ParamsOf } from "../ops/index.ts";
import {
  batchNormGradReference,
  batchNormInferenceReference,
  batchNormReference,
  movingAverageReference,
} from "./batch-norm.ts";
import { biasAddReference, columnSumReference } from "./bias.ts";
import { byteShuffleReference, byteUnshuffleReference } from "./byte-shuffle.ts";
import { clipNormReference, clipValueReference } from "./clip.ts";
import { cachedAttentionReference } from "./cached-attention.ts";
import { causalAttentionGradReference, causalAttentionReference } from "./causal-attention.ts";
import { concatReference, sliceReference } from "./concat.ts";
import { conv2dFilterGradReference, conv2dInputGradReference, conv2dReference } from "./conv2d.ts";
import {
  conv2dMaxPoolFilterGradReference,
  conv2dMaxPoolInputGradReference,
  conv2dMaxPoolReference,
} from "./conv2d-max-pool.ts";
import {
  depthwiseConv2dFilterGradReference,
  depthwiseConv2dInputGradReference,
  depthwiseConv2dReference,
} from "./depthwise-conv2d.ts";
import { divideReference } from "./divide.ts";
import { dropoutReference } from "./dropout.ts";
import {
  addReference,
  geluGradReference,
  geluReference,
  leakyReluGradReference,
  leakyReluReference,
  multiplyReference,
  relu6GradReference,
  relu6Reference,
  reluGradReference,
  reluReference,
  sigmoidGradReference,
  sigmoidReference,
  siluGradReference,
  siluReference,
  tanhGradReference,
  tanhReference,
} from "./elementwise.ts";
import { embeddingGradReference, embeddingReference } from "./embedding.ts";
import { fillReference } from "./fill.ts";
import { globalAvgPoolGradReference, globalAvgPoolReference } from "./global-avg-pool.ts";
import {
  bf16DecodeReference,
  bf16EncodeReference,
  f16DecodeReference,
  f16EncodeReference,
} from "./half-precision.ts";
import { int8DecodeReference, int8EncodeReference } from "./int8.ts";
import { kmeansAssignReference } from "./kmeans-assign.ts";
import { layerNormGradReference, layerNormReference } from "./layer-norm.ts";
import { localResponseNormGradReference, localResponseNormReference } from "./local-response-norm.ts";
import {
  hingeGradReference,
  hingeReference,
  meanSquaredErrorGradReference,
  meanSquaredErrorReference,
  sigmoidCrossEntropyGradReference,
  sigmoidCrossEntropyReference,
  softmaxCrossEntropyGradReference,
  softmaxCrossEntropyReference,
  softmaxCrossEntropyWithGradReference,
  squaredHingeGradReference,
  squaredHingeReference,
} from "./losses.ts";
import { denseReference, matmulReference } from "./matmul.ts";
import { avgPoolGradReference, avgPoolReference, maxPoolGradReference, maxPoolReference } from "./pooling.ts";
import { sparseDenseGradReference, sparseDenseReference, sparseSgdUpdateReference } from "./sparse-dense.ts";
import { softmaxGradReference, softmaxReference } from "./softmax.ts";
import { sumOfSquaresReference } from "./sum-of-squares.ts";
import {
  adagradUpdateReference,
  adamUpdateReference,
  larsUpdateReference,
  momentumUpdateReference,
  sgdUpdateReference,
} from "./updates.ts";
import { xxh32Reference } from "./xxh32.ts";

/** Ops that are the same memory under another shape. */
type ViewName = "reshape";

export const referenceKernels: {
  readonly [N in Exclude<OpName, ViewName>]: ReferenceKernel<ParamsOf<N>>;
} = {
  dense: denseReference,
  matmul: matmulReference,
  conv2d: conv2dReference,
  "conv2d-input-grad": conv2dInputGradReference,
  "conv2d-filter-grad": conv2dFilterGradReference,
  "conv2d-max-pool": conv2dMaxPoolReference,
  "conv2d-max-pool-input-grad": conv2dMaxPoolInputGradReference,
  "conv2d-max-pool-filter-grad": conv2dMaxPoolFilterGradReference,
  "depthwise-conv2d": depthwiseConv2dReference,
  "depthwise-conv2d-input-grad": depthwiseConv2dInputGradReference,
  "depthwise-conv2d-filter-grad": depthwiseConv2dFilterGradReference,
  "max-pool": maxPoolReference,
  "max-pool-grad": maxPoolGradReference,
  "avg-pool": avgPoolReference,
  "avg-pool-grad": avgPoolGradReference,
  "global-avg-pool": globalAvgPoolReference,
  "global-avg-pool-grad": globalAvgPoolGradReference,
  concat: concatReference,
  slice: sliceReference,
  "batch-norm": batchNormReference,
  "batch-norm-inference": batchNormInferenceReference,
  "batch-norm-grad": batchNormGradReference,
  "moving-average": movingAverageReference,
  "layer-norm": layerNormReference,
  "layer-norm-grad": layerNormGradReference,
  "local-response-norm": localResponseNormReference,
  "local-response-norm-grad": localResponseNormGradReference,
  "cached-attention": cachedAttentionReference,
  "causal-attention": causalAttentionReference,
  "causal-attention-grad": causalAttentionGradReference,
  embedding: embeddingReference,
  "embedding-grad": embeddingGradReference,
  "bias-add": biasAddReference,
  "column-sum": columnSumReference,
  add: addReference,
  multiply: multiplyReference,
  relu: reluReference,
  "relu-grad": reluGradReference,
  relu6: relu6Reference,
  "relu6-grad": relu6GradReference,
  "leaky-relu": leakyReluReference,
  "leaky-relu-grad": leakyReluGradReference,
  silu: siluReference,
  "silu-grad": siluGradReference,
  gelu: geluReference,
  "gelu-grad": geluGradReference,
  tanh: tanhReference,
  "tanh-grad": tanhGradReference,
  sigmoid: sigmoidReference,
  "sigmoid-grad": sigmoidGradReference,
  softmax: softmaxReference,
  "softmax-grad": softmaxGradReference,
  fill: fillReference,
  dropout: dropoutReference,
  "sparse-dense": sparseDenseReference,
  "sparse-dense-grad": sparseDenseGradReference,
  "sparse-sgd-update": sparseSgdUpdateReference,
  "kmeans-assign": kmeansAssignReference,
  "softmax-cross-entropy": softmaxCrossEntropyReference,
  "softmax-cross-entropy-grad": softmaxCrossEntropyGradReference,
  "softmax-cross-entropy-with-grad": softmaxCrossEntropyWithGradReference,
  "sigmoid-cross-entropy": sigmoidCrossEntropyReference,
  "sigmoid-cross-entropy-grad": sigmoidCrossEntropyGradReference,
  "mean-squared-error": meanSquaredErrorReference,
  "mean-squared-error-grad": meanSquaredErrorGradReference,
  hinge: hingeReference,
  "hinge-grad": hingeGradReference,
  "squared-hinge": squaredHingeReference,
  "squared-hinge-grad": squaredHingeGradReference,
  "sgd-update": sgdUpdateReference,
  "momentum-update": momentumUpdateReference,
  "adam-update": adamUpdateReference,
  "adagrad-update": adagradUpdateReference,
  "lars-update": larsUpdateReference,
  "sum-of-squares": sumOfSquaresReference,
  divide: divideReference,
  "clip-norm": clipNormReference,
  "clip-value": clipValueReference,
  "bf16-encode": bf16EncodeReference,
  "bf16-decode": bf16DecodeReference,
  "f16-encode": f16EncodeReference,
  "f16-decode": f16DecodeReference,
  "int8-encode": int8EncodeReference,
  "int8-decode": int8DecodeReference,
  "byte-shuffle": byteShuffleReference,
  "byte-unshuffle": byteUnshuffleReference,
  xxh32: xxh32Reference,
};
