// conv2d-max-pool and its gradients, directly: the convolution's own output is nowhere. Forward, an invocation computes all
// cells of its window; backwards, a cell's gradient is its window's where it has won, and the filter's gradient follows the
// winners alone, which are one in a window.

import type { KernelCall } from "../../kernel.ts";
import {
  conv2dMaxPool,
  conv2dMaxPoolFilterGrad,
  conv2dMaxPoolGeometry,
  conv2dMaxPoolInputGrad,
  type Conv2dMaxPoolFilterGradParams,
  type Conv2dMaxPoolInputGradParams,
  type Conv2dMaxPoolParams,
} from "../../ops/conv2d-max-pool.ts";
import { elementCount } from "../../tensor.ts";
import { channelsOf } from "../emit/channels.ts";
import { coordinates } from "../emit/coordinates.ts";
import { flatPass } from "../emit/flat.ts";
import { splitSum } from "../emit/split-sum.ts";
import type { WebGpuKernel } from "../kernel.ts";
import { biasBinding, directBackward, epilogue } from "./direct.ts";
import { forwardTaps } from "./taps.ts";

const forward: WebGpuKernel = {
  name: "f32-conv2d-max-pool-direct-webgpu",
  op: conv2dMaxPool,
  accepts: () => true,
  build(call: KernelCall) {
    const params = call.params as Conv2dMaxPoolParams;
    const [x, w] = call.inputs;
    const geometry = conv2dMaxPoolGeometry(conv2dMaxPool.name, x!.shape, w!.shape, params);
    const { B, H, W, C, N, pooled } = geometry;
    const [poolHeight, poolWidth] = params.poolSize;
    const { type, units, width } = channelsOf(N);
    const [indexType, truth] = width === 4 ? (["vec4u", "vec4<bool>"] as const) : (["u32", "bool"] as const);
    const products = `let pixel = (b * ${H}u + sh) * ${W}u + sw;
    var weight = tap * ${C * units}u + channel;
    for (var c = pixel * ${C}u; c < (pixel + 1u) * ${C}u; c++) {
      sum += $x[c] * $w[weight];
      weight += ${units}u;
    }`;
    return {
      passes: [
        flatPass({
          count: elementCount(call.outputs[0]!) / width,
          bindings: {
            x: { of: { input: 0 }, type: "f32" },
            w: { of: { input: 1 }, type },
            ...biasBinding(call, type),
            result: { of: { output: 0 }, type },
            winners: { of: { output: 1 }, type: indexType },
          },
          // Bias and activation keep the order: they follow the pool.
          body: `${coordinates("i", { b: B, ph: pooled[0], pw: pooled[1], channel: units })}
  var largest = ${type}();
  var winner = ${indexType}();
  for (var cell = 0u; cell < ${poolHeight * poolWidth}u; cell++) {
    let oh = ph * ${poolHeight}u + cell / ${poolWidth}u;
    let ow = pw * ${poolWidth}u + cell % ${poolWidth}u;
    var sum = ${type}();
    ${forwardTaps(geometry, products)}
    let wins = (sum > largest) | ${truth}(cell == 0u);
    largest = select(largest, sum, wins);
    winner = select(winner, ${indexType}(cell), wins);
  }
  var sum = largest;
  ${epilogue(call, type)}
  $result[i] = sum;
  $winners[i] = winner;`,
        }),
      ],
    };
  },
};

const inputGrad: WebGpuKernel = {
  name: "f32-conv2d-max-pool-input-grad-direct-webgpu",
  op: conv2dMaxPoolInputGrad,
  accepts: () => true,
  build(call: KernelCall) {
    const params = call.params as Conv2dMaxPoolInputGradParams;
    const wShape = call.inputs[2]!.shape;
    const geometry = conv2dMaxPoolGeometry(conv2dMaxPoolInputGrad.name, params.inputShape, wShape, params);
    const { C, N, pooled } = geometry;
    const [poolHeight, poolWidth] = params.poolSize;
    const { type, units, width } = channelsOf(N);
    const indexType = width === 4 ? "vec4u" : "u32";
    const gradient = `select(${type}(), $dy[n], $winners[n] == ${indexType}(cell))`;
    return directBackward(
      {
        ...{ call, geometry, channels: { type: "f32", units: C, width: 1 } },
        bindings: {
          dy: { of: { input: 0 }, type },
          winners: { of: { input: 1 }, type: indexType },
          w: { of: { input: 2 }, type },
        },
        products: `let ph = sh / ${poolHeight}u;
    let pw = sw / ${poolWidth}u;
    if (ph >= ${pooled[0]}u || pw >= ${pooled[1]}u) { continue; } // left over by the pool
    let cell = sh % ${poolHeight}u * ${poolWidth}u + sw % ${poolWidth}u;
    let window = (b * ${pooled[0]}u + ph) * ${pooled[1]}u + pw;
    var weight = (tap * ${C}u + channel) * ${units}u;
    for (var n = window * ${units}u; n < (window + 1u) * ${units}u; n++) {
      sum += ${width === 4 ? `dot(${gradient}, $w[weight])` : `${gradient} * $w[weight]`};
      weight++;
    }`,
      },
      3,
    );
  },
};

const filterGrad: WebGpuKernel = {
  name: "f32-conv2d-max-pool-filter-grad-direct-webgpu",
  op: conv2dMaxPoolFilterGrad,
  accepts: () => true,
  build(call: KernelCall, target) {
    const params = call.params as Conv2dMaxPoolFilterGradParams;
    const xShape = call.inputs[0]!.shape;
    const geometry = conv2dMaxPoolGeometry(conv2dMaxPoolFilterGrad.name, xShape, params.filterShape, params);
    const { B, H, W, C, KH, KW, N, pooled, strides, vertical, horizontal } = geometry;
    const [poolHeight, poolWidth] = params.poolSize;
    return splitSum(
      {
        results: { type: "f32", units: KH * KW * C * N, width: 1 },
        terms: B * pooled[0],
        inputs: {
          x: { of: { input: 0 }, type: "f32" },
          dy: { of: { input: 1 }, type: "f32" },
          winners: { of: { input: 2 }, type: "u32" },
        },
        addTerms: `${coordinates("unit", { kh: KH, kw: KW, c: C, n: N })}
  for (var row = begin; row < end; row++) {
    ${coordinates("row", { b: B, ph: pooled[0] })}
    for (var pw = 0u; pw < ${pooled[1]}u; pw++) {
      let at = (row * ${pooled[1]}u + pw) * ${N}u + n;
      let winner = $winners[at];
      let oh = ph * ${poolHeight}u + winner / ${poolWidth}u;
      let ow = pw * ${poolWidth}u + winner % ${poolWidth}u;
      let h = oh * ${strides[0]}u + kh - ${vertical.before}u;
      let w = ow * ${strides[1]}u + kw - ${horizontal.before}u;
      // What lies before the image is a large number.
      if (h < ${H}u && w < ${W}u) { sum += $x[((b * ${H}u + h) * ${W}u + w) * ${C}u + c] * $dy[at]; }
    }
  }`,
      },
      target,
    );
  },
};

export const conv2dMaxPoolKernels: readonly WebGpuKernel[] = [forward, inputGrad, filterGrad];
