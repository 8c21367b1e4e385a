// Convolution, activation and max-pooling in one. The convolution's own output is never kept: the gradients need only
// to know which cell of each window has won, and everything else in the window counts for nothing.

import type { Op } from "../op.ts";
import { elementCount, f32, i32, type TensorType } from "../tensor.ts";
import { columnSum } from "./bias.ts";
import {
  conv2dGeometry,
  type Conv2dFilterGradParams,
  type Conv2dGeometry,
  type Conv2dInputGradParams,
  type Conv2dParams,
  type ConvWindow,
} from "./conv2d.ts";
import { beforeActivation } from "./elementwise.ts";
import { bindShapes, expectEqualExtents } from "./shapes.ts";
import { windowAxis } from "./window.ts";

/** Windows of the pool lie side by side; cells at the end that fill no whole window are left out. */
export interface WindowParams {
  /** Vertical, horizontal. */
  readonly poolSize: readonly [number, number];
}

/** No dilation: it does not go with pools. */
type Pooled<P> = Omit<P, "dilations"> & WindowParams;

export type Conv2dMaxPoolParams = Pooled<Conv2dParams>;
export type Conv2dMaxPoolInputGradParams = Pooled<Conv2dInputGradParams>;
export type Conv2dMaxPoolFilterGradParams = Pooled<Conv2dFilterGradParams>;

export interface Conv2dMaxPoolGeometry extends Conv2dGeometry {
  /** Height and width of a pooled image. */
  readonly pooled: readonly [number, number];
}

/** Throws "shape-mismatch" if filter, image and pool do not fit each other. */
export function conv2dMaxPoolGeometry(
  op: string,
  x: readonly number[],
  w: readonly number[],
  params: Pooled<ConvWindow>,
): Conv2dMaxPoolGeometry {
  const geometry = conv2dGeometry(op, x, w, params);
  const pooled = ([geometry.vertical, geometry.horizontal] as const).map(({ output }, axis) => {
    const size = params.poolSize[axis]!;
    return windowAxis(op, `the convolution's shape[${axis + 1}]`, output, size, size, "valid").output;
  });
  return { ...geometry, pooled: pooled as [number, number] };
}

function pooledShape({ B, N, pooled }: Conv2dMaxPoolGeometry): readonly number[] {
  return [B, ...pooled, N];
}

function expectPooled(
  op: string,
  inputs: Readonly<Record<"dy" | "winners", TensorType>>,
  geometry: Conv2dMaxPoolGeometry,
): void {
  bindShapes(op, [inputs.dy, inputs.winners], { dy: "B PH PW N", winners: "i32 B PH PW N" });
  pooledShape(geometry).forEach((extent, axis) => {
    expectEqualExtents(op, `dy.shape[${axis}]`, inputs.dy.shape[axis]!, "the pool's", extent);
  });
}

/** Two for every tap of every winner: what the gradients compute. */
function winnerFlops(geometry: Conv2dMaxPoolGeometry): number {
  const winners = pooledShape(geometry).reduce((product, extent) => product * extent, 1);
  return 2 * winners * geometry.KH * geometry.KW * geometry.C;
}

/**
 * (x[B,H,W,C], w[KH,KW,C,N], bias[N]?) -> (y[B,PH,PW,N] = activation(max over the window of conv(x, w) + bias),
 * winners i32[B,PH,PW,N]). A winner is the row-major number, within its window, of the first cell that is largest
 * before the activation.
 */
export const conv2dMaxPool: Op<Conv2dMaxPoolParams> = {
  name: "conv2d-max-pool",
  infer(inputs, params) {
    bindShapes("conv2d-max-pool", inputs, { x: "B H W C", w: "KH KW C N", "bias?": "N" });
    const [x, w] = inputs;
    const shape = pooledShape(conv2dMaxPoolGeometry("conv2d-max-pool", x!.shape, w!.shape, params));
    return [f32(...shape), i32(...shape)];
  },
  flops(inputs, params) {
    const [x, w] = inputs;
    const geometry = conv2dMaxPoolGeometry("conv2d-max-pool", x!.shape, w!.shape, params);
    const cells = params.poolSize[0] * params.poolSize[1];
    // As for conv2d, and a comparison for every cell.
    return cells * (winnerFlops(geometry) + inputs.length * elementCount(f32(...pooledShape(geometry))));
  },
  vjp: (context) => {
    const { inputs, outputs, needs, add } = context;
    const { strides, padding, poolSize } = context.params;
    const [x, w] = inputs;
    const winners = outputs[1]!;
    const g = beforeActivation(context);
    // Gradients of parameters first: they are sent while the rest is computed.
    const filterShape = w!.type.shape as Conv2dFilterGradParams["filterShape"];
    const dw = needs(1)
      ? add(conv2dMaxPoolFilterGrad, [x!, g, winners], { filterShape, strides, padding, poolSize })[0]
      : undefined;
    const dbias = inputs.length === 3 && needs(2) ? add(columnSum, [g], {})[0] : undefined;
    const inputShape = x!.type.shape as Conv2dInputGradParams["inputShape"];
    const dx = needs(0)
      ? add(conv2dMaxPoolInputGrad, [g, winners, w!], { inputShape, strides, padding, poolSize })[0]
      : undefined;
    return inputs.length === 3 ? [dx, dw, dbias] : [dx, dw];
  },
};

/** (dy[B,PH,PW,N], winners i32[B,PH,PW,N], w[KH,KW,C,N], mask[B,H,W,C]?) -> dx[B,H,W,C] */
export const conv2dMaxPoolInputGrad: Op<Conv2dMaxPoolInputGradParams> = {
  name: "conv2d-max-pool-input-grad",
  infer(inputs, params) {
    const op = "conv2d-max-pool-input-grad";
    bindShapes(op, inputs, {
      dy: "B PH PW N",
      winners: "i32 B PH PW N",
      w: "KH KW C N",
      "mask?": "B H W C",
    });
    const [dy, winners, w, mask] = inputs as [TensorType, TensorType, TensorType, TensorType?];
    const geometry = conv2dMaxPoolGeometry(op, params.inputShape, w.shape, params);
    expectPooled(op, { dy, winners }, geometry);
    mask?.shape.forEach((extent, axis) => {
      expectEqualExtents(op, `mask.shape[${axis}]`, extent, "inputShape's", params.inputShape[axis]!);
    });
    return [f32(...params.inputShape)];
  },
  flops: (inputs, params) =>
    winnerFlops(
      conv2dMaxPoolGeometry("conv2d-max-pool-input-grad", params.inputShape, inputs[2]!.shape, params),
    ),
  maskOperand: 3,
  vjp: "not-differentiable",
};

/** (x[B,H,W,C], dy[B,PH,PW,N], winners i32[B,PH,PW,N]) -> dw[KH,KW,C,N] */
export const conv2dMaxPoolFilterGrad: Op<Conv2dMaxPoolFilterGradParams> = {
  name: "conv2d-max-pool-filter-grad",
  infer(inputs, params) {
    const op = "conv2d-max-pool-filter-grad";
    bindShapes(op, inputs, { x: "B H W C", dy: "B PH PW N", winners: "i32 B PH PW N" });
    const [x, dy, winners] = inputs as [TensorType, TensorType, TensorType];
    const geometry = conv2dMaxPoolGeometry(op, x.shape, params.filterShape, params);
    expectPooled(op, { dy, winners }, geometry);
    return [f32(...params.filterShape)];
  },
  flops: (inputs, params) =>
    winnerFlops(
      conv2dMaxPoolGeometry("conv2d-max-pool-filter-grad", inputs[0]!.shape, params.filterShape, params),
    ),
  vjp: "not-differentiable",
};
