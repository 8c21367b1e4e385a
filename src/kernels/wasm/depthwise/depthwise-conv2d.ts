// Kernels of depthwise convolution and its two gradients, for machines that work on vectors or on pairs of them: their
// bits are equal.

import type { KernelCall } from "../../kernel.ts";
import type { Conv2dFilterGradParams, Conv2dInputGradParams, Conv2dParams } from "../../ops/conv2d.ts";
import {
  depthwiseConv2d,
  depthwiseConv2dFilterGrad,
  depthwiseConv2dInputGrad,
  depthwiseGeometry,
  type DepthwiseGeometry,
} from "../../ops/depthwise-conv2d.ts";
import { extentsOf } from "../convolution/conv2d.ts";
import { DEPTHWISE_PIXELS } from "./depthwise-tile.ts";
import { emitDepthwise, emitDepthwiseFilterGradient, type DepthwiseSpec } from "./depthwise.ts";
import type { WasmKernel } from "../kernel.ts";
import { adjointReaches, forwardReach } from "../convolution/reach.ts";

/** y from x, and the gradient of the filter from both. */
function forwardSpec(geometry: DepthwiseGeometry, paired: boolean): DepthwiseSpec {
  const { batch, x, y, window, vertical, horizontal } = extentsOf(geometry);
  return {
    ...{ batch, source: x, output: y, window, multiplier: geometry.M, paired },
    vertical: [forwardReach(vertical)],
    horizontal: [forwardReach(horizontal)],
    adjoint: false,
    third: undefined,
    relu: false,
  };
}

/** dx from dy. */
function adjointSpec(geometry: DepthwiseGeometry, paired: boolean): DepthwiseSpec {
  const { x, y, vertical, horizontal } = extentsOf(geometry);
  return {
    ...forwardSpec(geometry, paired),
    ...{ source: y, output: x },
    vertical: adjointReaches(vertical),
    horizontal: adjointReaches(horizontal),
    adjoint: true,
  };
}

/** `paired`: see WasmTarget.wide. */
function kernelsFor(paired: boolean): readonly WasmKernel[] {
  const accepts: WasmKernel["accepts"] = (_, target) => target.wide === paired;
  const tile = `${DEPTHWISE_PIXELS}x${paired ? 8 : 4}`;
  return [
    {
      name: `f32-depthwise-conv2d-${tile}-wasm`,
      op: depthwiseConv2d,
      accepts,
      emit(module, { inputs, params }: KernelCall<Conv2dParams>) {
        const [x, w] = inputs;
        const geometry = depthwiseGeometry("depthwise-conv2d", x!.shape, w!.shape, params);
        return emitDepthwise(module, {
          ...forwardSpec(geometry, paired),
          third: inputs.length === 3 ? "bias" : undefined,
          relu: params.activation === "relu",
        });
      },
    },
    {
      name: `f32-depthwise-conv2d-input-grad-${tile}-wasm`,
      op: depthwiseConv2dInputGrad,
      accepts,
      emit(module, { inputs, params }: KernelCall<Conv2dInputGradParams>) {
        const op = "depthwise-conv2d-input-grad";
        const geometry = depthwiseGeometry(op, params.inputShape, inputs[1]!.shape, params);
        return emitDepthwise(module, {
          ...adjointSpec(geometry, paired),
          third: inputs.length === 3 ? "mask" : undefined,
        });
      },
    },
    {
      name: `f32-depthwise-conv2d-filter-grad-${tile}-wasm`,
      op: depthwiseConv2dFilterGrad,
      accepts,
      emit(module, { inputs, params }: KernelCall<Conv2dFilterGradParams>) {
        const op = "depthwise-conv2d-filter-grad";
        const geometry = depthwiseGeometry(op, inputs[0]!.shape, params.filterShape, params);
        return emitDepthwiseFilterGradient(module, forwardSpec(geometry, paired));
      },
    },
  ];
}

export const depthwiseKernels: readonly WasmKernel[] = [...kernelsFor(false), ...kernelsFor(true)];
