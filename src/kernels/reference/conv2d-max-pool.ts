// Reference kernels of conv2d-max-pool and its gradients: the convolution's kernels, with a pool that notes its winners
// before them, or one that puts dy where they won.

import type { ReferenceKernel } from "../kernel.ts";
import {
  conv2dMaxPool,
  conv2dMaxPoolFilterGrad,
  conv2dMaxPoolGeometry,
  conv2dMaxPoolInputGrad,
  type Conv2dMaxPoolFilterGradParams,
  type Conv2dMaxPoolGeometry,
  type Conv2dMaxPoolInputGradParams,
  type Conv2dMaxPoolParams,
} from "../ops/conv2d-max-pool.ts";
import { f32, type TensorData } from "../tensor.ts";
import { conv2dFilterGradReference, conv2dInputGradReference, conv2dReference } from "./conv2d.ts";

type PoolSize = Conv2dMaxPoolParams["poolSize"];

/** The shape of the convolution's output. */
function outputShape({ B, N, vertical, horizontal }: Conv2dMaxPoolGeometry): readonly number[] {
  return [B, vertical.output, horizontal.output, N];
}

/** Calls `visit` with the flat index of each pooled element and a function from its window's cells to flat indices. */
function forEachWindow(
  { B, N, pooled, vertical, horizontal }: Conv2dMaxPoolGeometry,
  [poolHeight, poolWidth]: PoolSize,
  visit: (y: number, indexOf: (cell: number) => number) => void,
): void {
  const [PH, PW] = pooled;
  for (let b = 0; b < B; b++)
    for (let ph = 0; ph < PH; ph++)
      for (let pw = 0; pw < PW; pw++)
        for (let n = 0; n < N; n++)
          visit(((b * PH + ph) * PW + pw) * N + n, (cell) => {
            const h = ph * poolHeight + Math.floor(cell / poolWidth);
            const w = pw * poolWidth + (cell % poolWidth);
            return ((b * vertical.output + h) * horizontal.output + w) * N + n;
          });
}

/** dy at the winners, zeros elsewhere: the gradient of the convolution's output. */
function scatter(
  geometry: Conv2dMaxPoolGeometry,
  poolSize: PoolSize,
  dy: TensorData,
  winners: TensorData,
): Float64Array {
  const full = new Float64Array(outputShape(geometry).reduce((product, extent) => product * extent, 1));
  forEachWindow(geometry, poolSize, (yi, indexOf) => {
    full[indexOf(winners[yi]!)] = dy[yi]!;
  });
  return full;
}

export const conv2dMaxPoolReference: ReferenceKernel<Conv2dMaxPoolParams> = {
  op: conv2dMaxPool,
  run({ inputs, params }, operands, [y, winners]) {
    const [x, w] = inputs;
    const geometry = conv2dMaxPoolGeometry("conv2d-max-pool", x!.shape, w!.shape, params);
    const { poolSize, activation } = params;
    const shape = outputShape(geometry);
    const elements = shape.reduce((product, extent) => product * extent, 1);
    // Rounded as the output is: the convolution apart from its pool would store it so.
    const full = y instanceof Float32Array ? new Float32Array(elements) : new Float64Array(elements);
    conv2dReference.run(
      { inputs, outputs: [f32(...shape)], params: { ...params, activation: "none" } },
      operands,
      [full],
    );
    forEachWindow(geometry, poolSize, (yi, indexOf) => {
      let winner = 0;
      for (let cell = 1; cell < poolSize[0] * poolSize[1]; cell++)
        if (full[indexOf(cell)]! > full[indexOf(winner)]!) winner = cell;
      const largest = full[indexOf(winner)]!;
      y![yi] = activation === "relu" ? Math.max(largest, 0) : largest;
      winners![yi] = winner;
    });
  },
};

export const conv2dMaxPoolInputGradReference: ReferenceKernel<Conv2dMaxPoolInputGradParams> = {
  op: conv2dMaxPoolInputGrad,
  run({ inputs, outputs, params }, [dy, winners, w, mask], dx) {
    const filter = inputs[2]!;
    const geometry = conv2dMaxPoolGeometry(
      "conv2d-max-pool-input-grad",
      params.inputShape,
      filter.shape,
      params,
    );
    const full = scatter(geometry, params.poolSize, dy!, winners!);
    const masks = mask === undefined ? [] : [mask];
    conv2dInputGradReference.run(
      { inputs: [f32(...outputShape(geometry)), filter], outputs, params },
      [full, w!, ...masks],
      dx,
    );
  },
};

export const conv2dMaxPoolFilterGradReference: ReferenceKernel<Conv2dMaxPoolFilterGradParams> = {
  op: conv2dMaxPoolFilterGrad,
  run({ inputs, outputs, params }, [x, dy, winners], dw) {
    const image = inputs[0]!;
    const geometry = conv2dMaxPoolGeometry(
      "conv2d-max-pool-filter-grad",
      image.shape,
      params.filterShape,
      params,
    );
    const full = scatter(geometry, params.poolSize, dy!, winners!);
    conv2dFilterGradReference.run(
      { inputs: [image, f32(...outputShape(geometry))], outputs, params },
      [x!, full],
      dw,
    );
  },
};
