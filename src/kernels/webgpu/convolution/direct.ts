// What all direct convolutions share: one invocation for each unit of the result, which loops over the taps that it meets.

import type { KernelCall } from "../../kernel.ts";
import type { Conv2dGeometry, Conv2dParams } from "../../ops/conv2d.ts";
import { elementCount } from "../../tensor.ts";
import type { Channels } from "../emit/channels.ts";
import { coordinates } from "../emit/coordinates.ts";
import { flatPass } from "../emit/flat.ts";
import { splitSum } from "../emit/split-sum.ts";
import type { Binding, WebGpuRoutine, WebGpuTarget } from "../kernel.ts";
import { backwardTaps, forwardTaps, outputsOfTap } from "./taps.ts";

export interface DirectPass {
  readonly call: KernelCall;
  readonly geometry: Conv2dGeometry;
  /** Of the result, whose last axis is `channel`. */
  readonly channels: Channels;
  readonly bindings: Readonly<Record<string, Binding>>;
  /**
   * Statements that add a tap's products to `sum`: they know what `forwardTaps` or `backwardTaps` says, `channel`, the
   * image `b` and the pixel (b SH + sh) SW + sw of the source.
   */
  readonly products: string;
}

const result = ({ type }: Channels): Binding => ({ of: { output: 0 }, type });

/** activation(sums + bias?), where the bias is the third input. */
export function directForward({ call, geometry, channels, bindings, products }: DirectPass): WebGpuRoutine {
  const { vertical, horizontal, H, W } = geometry;
  return {
    passes: [
      flatPass({
        count: elementCount(call.outputs[0]!) / channels.width,
        bindings: {
          ...bindings,
          ...biasBinding(call, channels.type),
          result: result(channels),
        },
        body: `${coordinates("i", { b: geometry.B, oh: vertical.output, ow: horizontal.output, channel: channels.units })}
  var sum = ${channels.type}();
  ${forwardTaps(geometry, `let pixel = (b * ${H}u + sh) * ${W}u + sw;\n${products}`)}
  ${epilogue(call, channels.type)}
  $result[i] = sum;`,
      }),
    ],
  };
}

/** What `epilogue` binds besides: a convolution's third input, if it has one. */
export function biasBinding(
  { inputs }: KernelCall,
  type: Channels["type"],
): Readonly<Record<string, Binding>> {
  return inputs.length === 3 ? { bias: { of: { input: 2 }, type } } : {};
}

/** What follows the `sum` of a convolution at its `channel`: bias and activation. */
export function epilogue({ inputs, params }: KernelCall, type: Channels["type"]): string {
  const bias = inputs.length === 3 ? "sum += $bias[channel];" : "";
  const { activation } = params as Pick<Conv2dParams, "activation">;
  return activation === "relu" ? `${bias} sum = max(sum, ${type}());` : bias;
}

/** Zero where the mask, the input `maskInput`, is not above zero, if there is one. */
export function directBackward(pass: DirectPass, maskInput: number): WebGpuRoutine {
  const { call, geometry, channels, bindings, products } = pass;
  const { B, H, W, vertical, horizontal } = geometry;
  const masked = call.inputs.length > maskInput;
  const pixel = `let pixel = (b * ${vertical.output}u + sh) * ${horizontal.output}u + sw;`;
  return {
    passes: [
      flatPass({
        count: elementCount(call.outputs[0]!) / channels.width,
        bindings: {
          ...bindings,
          ...(masked && { mask: { of: { input: maskInput }, type: channels.type } }),
          result: result(channels),
        },
        body: `${coordinates("i", { b: B, h: H, w: W, channel: channels.units })}
  var sum = ${channels.type}();
  ${backwardTaps(geometry, `${pixel}\n${products}`)}
  ${masked ? `sum = select(${channels.type}(), sum, $mask[i] > ${channels.type}());` : ""}
  $result[i] = sum;`,
      }),
    ],
  };
}

export interface DirectFilterGrad {
  readonly geometry: Conv2dGeometry;
  /** Of dw: its units, in all, and the type of one. */
  readonly results: Channels;
  /** Extents of the unit's coordinates, which begin with `kh` and `kw`. */
  readonly axes: Readonly<Record<string, number>>;
  readonly inputs: Readonly<Record<string, Binding>>;
  /** What the output (b OH + oh) OW + ow, `output`, and the pixel of x that the tap reads there, `pixel`, add to it. */
  readonly product: string;
}

/** Sums over the outputs of a convolution, whole rows of them by an invocation. */
export function directFilterGrad(
  { geometry, results, axes, inputs, product }: DirectFilterGrad,
  target: WebGpuTarget,
): WebGpuRoutine {
  const { B, H, W, vertical, horizontal, strides, dilations } = geometry;
  return splitSum(
    {
      ...{ results, inputs, terms: B * vertical.output },
      addTerms: `${coordinates("unit", axes)}
  ${outputsOfTap("w", geometry)}
  for (var row = begin; row < end; row++) {
    ${coordinates("row", { b: B, oh: vertical.output })}
    let h = oh * ${strides[0]}u + kh * ${dilations[0]}u - ${vertical.before}u;
    if (h >= ${H}u) { continue; } // what lies before the image is a large number
    var pixel = (b * ${H}u + h) * ${W}u + begin_w * ${strides[1]}u + kw * ${dilations[1]}u - ${horizontal.before}u;
    for (var output = row * ${horizontal.output}u + begin_w; output < row * ${horizontal.output}u + end_w; output++) {
      sum += ${product};
      pixel += ${strides[1]}u;
    }
  }`,
    },
    target,
  );
}
