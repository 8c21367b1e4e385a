// Pooling over NHWC images. Padding never wins a maximum and never counts in an average, as in TensorFlow.

import type { Op } from "../op.ts";
import { elementCount, f32, type TensorType } from "../tensor.ts";
import { bindShapes, expectEqualExtents } from "./shapes.ts";
import { windowAxis, type Padding, type WindowAxis } from "./window.ts";

export interface PoolParams {
  /** Vertical, horizontal. */
  readonly poolSize: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly padding: Padding;
}

export interface AvgPoolGradParams extends PoolParams {
  /** [B,H,W,C] of x. */
  readonly inputShape: readonly [number, number, number, number];
}

export interface PoolGeometry {
  readonly B: number;
  readonly H: number;
  readonly W: number;
  readonly C: number;
  readonly vertical: WindowAxis;
  readonly horizontal: WindowAxis;
}

/** Throws "shape-mismatch" if the window does not fit the image. */
export function poolGeometry(op: string, x: readonly number[], params: PoolParams): PoolGeometry {
  const { poolSize, strides, padding } = params;
  const { B, H, W, C } = bindShapes(op, [f32(...x)], { x: "B H W C" });
  return {
    ...{ B, H, W, C },
    vertical: windowAxis(op, "x.shape[1]", H, poolSize[0], strides[0], padding),
    horizontal: windowAxis(op, "x.shape[2]", W, poolSize[1], strides[1], padding),
  };
}

function pooledType(op: string, x: readonly number[], params: PoolParams): TensorType {
  const { B, C, vertical, horizontal } = poolGeometry(op, x, params);
  return f32(B, vertical.output, horizontal.output, C);
}

function poolFlops(op: string, x: readonly number[], params: PoolParams): number {
  return elementCount(pooledType(op, x, params)) * params.poolSize[0] * params.poolSize[1];
}

function expectPooledShape(op: string, name: string, type: TensorType, pooled: TensorType): void {
  pooled.shape.forEach((extent, axis) => {
    expectEqualExtents(op, `${name}.shape[${axis}]`, type.shape[axis]!, "the pool's", extent);
  });
}

/** x[B,H,W,C] -> y[B,OH,OW,C] */
export const maxPool: Op<PoolParams> = {
  name: "max-pool",
  infer(inputs, params) {
    bindShapes("max-pool", inputs, { x: "B H W C" });
    return [pooledType("max-pool", inputs[0]!.shape, params)];
  },
  flops: (inputs, params) => poolFlops("max-pool", inputs[0]!.shape, params),
  vjp: ({ inputs, outputs, outputGrads, params, add }) =>
    add(maxPoolGrad, [inputs[0]!, outputs[0]!, outputGrads[0]!], params),
};

/** (x, y, dy) -> dx: the first maximum of each window, in row-major order, gets its dy; windows that overlap add up. */
export const maxPoolGrad: Op<PoolParams> = {
  name: "max-pool-grad",
  infer(inputs, params) {
    bindShapes("max-pool-grad", inputs, { x: "B H W C", y: "B OH OW C", dy: "B OH OW C" });
    const [x, y] = inputs;
    expectPooledShape("max-pool-grad", "y", y!, pooledType("max-pool-grad", x!.shape, params));
    return [x!];
  },
  flops: (inputs, params) => poolFlops("max-pool-grad", inputs[0]!.shape, params),
  vjp: "not-differentiable",
};

/** x[B,H,W,C] -> y[B,OH,OW,C]: the mean of the window's cells that lie inside the image */
export const avgPool: Op<PoolParams> = {
  name: "avg-pool",
  infer(inputs, params) {
    bindShapes("avg-pool", inputs, { x: "B H W C" });
    return [pooledType("avg-pool", inputs[0]!.shape, params)];
  },
  flops: (inputs, params) => poolFlops("avg-pool", inputs[0]!.shape, params),
  vjp: ({ inputs, outputGrads, params, add }) =>
    add(avgPoolGrad, [outputGrads[0]!], {
      ...params,
      inputShape: inputs[0]!.type.shape as AvgPoolGradParams["inputShape"],
    }),
};

/** (dy[B,OH,OW,C], mask[B,H,W,C]?) -> dx[B,H,W,C] */
export const avgPoolGrad: Op<AvgPoolGradParams> = {
  name: "avg-pool-grad",
  infer(inputs, params) {
    bindShapes("avg-pool-grad", inputs, { dy: "B OH OW C", "mask?": "B H W C" });
    expectPooledShape(
      "avg-pool-grad",
      "dy",
      inputs[0]!,
      pooledType("avg-pool-grad", params.inputShape, params),
    );
    inputs[1]?.shape.forEach((extent, axis) => {
      expectEqualExtents(
        "avg-pool-grad",
        `mask.shape[${axis}]`,
        extent,
        "inputShape's",
        params.inputShape[axis]!,
      );
    });
    return [f32(...params.inputShape)];
  },
  flops: (_, params) => poolFlops("avg-pool-grad", params.inputShape, params),
  maskOperand: 1,
  vjp: "not-differentiable",
};
