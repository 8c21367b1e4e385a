// Depthwise convolution and its gradients, directly: there is little to share between invocations but what the caches do.
// One filter a channel goes four channels at a time.

import type { KernelCall } from "../../kernel.ts";
import type { Conv2dFilterGradParams, Conv2dInputGradParams, Conv2dParams } from "../../ops/conv2d.ts";
import {
  depthwiseConv2d,
  depthwiseConv2dFilterGrad,
  depthwiseConv2dInputGrad,
  depthwiseGeometry,
  type DepthwiseGeometry,
} from "../../ops/depthwise-conv2d.ts";
import { directBackward, directFilterGrad, directForward } from "../convolution/direct.ts";
import { channelsOf, type Channels } from "../emit/channels.ts";
import type { WebGpuKernel } from "../kernel.ts";

/** How the channels of x and of y are walked along. */
function channelsOfBoth({ C, M, N }: DepthwiseGeometry): { readonly x: Channels; readonly y: Channels } {
  if (M === 1) return { x: channelsOf(C), y: channelsOf(C) };
  const single = (units: number): Channels => ({ type: "f32", units, width: 1 });
  return { x: single(C), y: single(N) };
}

const forward: WebGpuKernel = {
  name: "f32-depthwise-conv2d-webgpu",
  op: depthwiseConv2d,
  accepts: () => true,
  build(call: KernelCall) {
    const [xShape, wShape] = call.inputs.map(({ shape }) => shape) as [number[], number[]];
    const geometry = depthwiseGeometry(depthwiseConv2d.name, xShape, wShape, call.params as Conv2dParams);
    const { x, y } = channelsOfBoth(geometry);
    return directForward({
      ...{ call, geometry, channels: y },
      bindings: { x: { of: { input: 0 }, type: x.type }, w: { of: { input: 1 }, type: y.type } },
      products: `sum += $x[pixel * ${x.units}u + channel / ${geometry.M}u] * $w[tap * ${y.units}u + channel];`,
    });
  },
};

const inputGrad: WebGpuKernel = {
  name: "f32-depthwise-conv2d-input-grad-webgpu",
  op: depthwiseConv2dInputGrad,
  accepts: () => true,
  build(call: KernelCall) {
    const params = call.params as Conv2dInputGradParams;
    const wShape = call.inputs[1]!.shape;
    const geometry = depthwiseGeometry(depthwiseConv2dInputGrad.name, params.inputShape, wShape, params);
    const { x, y } = channelsOfBoth(geometry);
    return directBackward(
      {
        ...{ call, geometry, channels: x },
        bindings: { dy: { of: { input: 0 }, type: y.type }, w: { of: { input: 1 }, type: y.type } },
        products: `for (var n = channel * ${geometry.M}u; n < (channel + 1u) * ${geometry.M}u; n++) {
      sum += $dy[pixel * ${y.units}u + n] * $w[tap * ${y.units}u + n];
    }`,
      },
      2,
    );
  },
};

const filterGrad: WebGpuKernel = {
  name: "f32-depthwise-conv2d-filter-grad-webgpu",
  op: depthwiseConv2dFilterGrad,
  accepts: () => true,
  build(call: KernelCall, target) {
    const params = call.params as Conv2dFilterGradParams;
    const xShape = call.inputs[0]!.shape;
    const geometry = depthwiseGeometry(depthwiseConv2dFilterGrad.name, xShape, params.filterShape, params);
    const { x, y } = channelsOfBoth(geometry);
    const { KH, KW, M } = geometry;
    return directFilterGrad(
      {
        geometry,
        results: { ...y, units: KH * KW * y.units },
        axes: { kh: KH, kw: KW, n: y.units },
        inputs: { x: { of: { input: 0 }, type: x.type }, dy: { of: { input: 1 }, type: y.type } },
        product: `$x[pixel * ${x.units}u + n / ${M}u] * $dy[output * ${y.units}u + n]`,
      },
      target,
    );
  },
};

export const depthwiseKernels: readonly WebGpuKernel[] = [forward, inputGrad, filterGrad];
