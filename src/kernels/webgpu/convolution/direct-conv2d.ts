// conv2d and its gradients, directly: no reuse but the caches', any shape.

import type { KernelCall } from "../../kernel.ts";
import {
  conv2d,
  conv2dFilterGrad,
  conv2dGeometry,
  conv2dInputGrad,
  type Conv2dFilterGradParams,
  type Conv2dInputGradParams,
  type Conv2dParams,
} from "../../ops/conv2d.ts";
import { channelsOf } from "../emit/channels.ts";
import type { WebGpuKernel } from "../kernel.ts";
import { directBackward, directFilterGrad, directForward } from "./direct.ts";

const forward: WebGpuKernel = {
  name: "f32-conv2d-direct-webgpu",
  op: conv2d,
  accepts: () => true,
  build(call: KernelCall) {
    const [x, w] = call.inputs;
    const geometry = conv2dGeometry(conv2d.name, x!.shape, w!.shape, call.params as Conv2dParams);
    const { C, N } = geometry;
    const channels = channelsOf(N);
    return directForward({
      ...{ call, geometry, channels },
      bindings: { x: { of: { input: 0 }, type: "f32" }, w: { of: { input: 1 }, type: channels.type } },
      products: `var weight = tap * ${C * channels.units}u + channel;
    for (var c = pixel * ${C}u; c < (pixel + 1u) * ${C}u; c++) {
      sum += $x[c] * $w[weight];
      weight += ${channels.units}u;
    }`,
    });
  },
};

const inputGrad: WebGpuKernel = {
  name: "f32-conv2d-input-grad-direct-webgpu",
  op: conv2dInputGrad,
  accepts: () => true,
  build(call: KernelCall) {
    const params = call.params as Conv2dInputGradParams;
    const geometry = conv2dGeometry(conv2dInputGrad.name, params.inputShape, call.inputs[1]!.shape, params);
    const { C, N } = geometry;
    const { type, units, width } = channelsOf(N);
    return directBackward(
      {
        ...{ call, geometry, channels: { type: "f32", units: C, width: 1 } },
        bindings: { dy: { of: { input: 0 }, type }, w: { of: { input: 1 }, type } },
        products: `var weight = (tap * ${C}u + channel) * ${units}u;
    for (var n = pixel * ${units}u; n < (pixel + 1u) * ${units}u; n++) {
      sum += ${width === 4 ? "dot($dy[n], $w[weight])" : "$dy[n] * $w[weight]"};
      weight++;
    }`,
      },
      2,
    );
  },
};

const filterGrad: WebGpuKernel = {
  name: "f32-conv2d-filter-grad-direct-webgpu",
  op: conv2dFilterGrad,
  accepts: () => true,
  build(call: KernelCall, target) {
    const params = call.params as Conv2dFilterGradParams;
    const geometry = conv2dGeometry(conv2dFilterGrad.name, call.inputs[0]!.shape, params.filterShape, params);
    const { C, KH, KW } = geometry;
    const channels = channelsOf(geometry.N);
    const { type, units } = channels;
    return directFilterGrad(
      {
        geometry,
        results: { ...channels, units: KH * KW * C * units },
        axes: { kh: KH, kw: KW, c: C, n: units },
        inputs: { x: { of: { input: 0 }, type: "f32" }, dy: { of: { input: 1 }, type } },
        product: `$x[pixel * ${C}u + c] * $dy[output * ${units}u + n]`,
      },
      target,
    );
  },
};

export const directConv2dKernels: readonly WebGpuKernel[] = [forward, inputGrad, filterGrad];
