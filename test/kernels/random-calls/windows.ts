// Random calls of what moves a window over images: convolutions and pools.

import { conv2dMaxPoolGeometry } from "../../../src/kernels/ops/conv2d-max-pool.ts";
import { conv2dGeometry, convOutputType, type ConvWindow } from "../../../src/kernels/ops/conv2d.ts";
import { depthwiseGeometry } from "../../../src/kernels/ops/depthwise-conv2d.ts";
import { poolGeometry, type PoolParams } from "../../../src/kernels/ops/pooling.ts";
import { elementCount, f32, i32, type TensorType } from "../../../src/kernels/tensor.ts";
import { MAXIMUM_MULTIPLY_ADDS, type Draw } from "./draw.ts";

type Pair = readonly [number, number];
type Quad = readonly [number, number, number, number];

const MAXIMUM_ELEMENTS = 1 << 13;

interface Window {
  readonly image: Pair;
  readonly filter: Pair;
  readonly strides: Pair;
  readonly dilations: Pair;
  readonly padding: "same" | "valid";
}

/** Often 3x3 or 1x1, for which there are kernels of their own. */
function window(draw: Draw, mostDilation: number): Window {
  const padding = draw.pick("same", "valid");
  const kind = draw.pick("any", "any", "3x3", "1x1");
  const axis = () => {
    const filter = kind === "any" ? draw.int(1, 5) : kind === "3x3" ? 3 : 1;
    const plain = kind === "3x3" && draw.flag();
    const dilation = plain || draw.flag() ? 1 : draw.int(1, mostDilation);
    const span = (filter - 1) * dilation + 1;
    const image = padding === "valid" ? span + draw.int(0, 12) : draw.extent(16);
    return { filter, dilation, image, stride: plain || draw.flag() ? 1 : draw.int(1, 4) };
  };
  const [v, h] = [axis(), axis()];
  return {
    image: [v.image, h.image],
    filter: [v.filter, h.filter],
    strides: [v.stride, h.stride],
    dilations: [v.dilation, h.dilation],
    padding,
  };
}

interface Convolution {
  readonly x: Quad;
  readonly w: Quad;
  readonly window: ConvWindow;
}

function convolution(draw: Draw, mostDilation = 4): Convolution {
  for (;;) {
    const { image, filter, ...rest } = window(draw, mostDilation);
    const [B, C, N] = [draw.int(1, 13), draw.extent(70), draw.extent(70)];
    const drawn: Convolution = { x: [B, ...image, C], w: [...filter, C, N], window: rest };
    const { vertical, horizontal } = conv2dGeometry("random", drawn.x, drawn.w, rest);
    const taps = filter[0] * filter[1] * C * N;
    if (B * vertical.output * horizontal.output * taps <= MAXIMUM_MULTIPLY_ADDS) return drawn;
  }
}

function convolved({ x, w, window }: Convolution): TensorType {
  return convOutputType(conv2dGeometry("random", x, w, window));
}

function depthwise(draw: Draw) {
  for (;;) {
    const { image, filter, ...rest } = window(draw, 4);
    const [B, C, M] = [draw.int(1, 13), draw.extent(70), draw.flag() ? 1 : draw.int(1, 5)];
    const [x, w]: readonly [Quad, Quad] = [
      [B, ...image, C],
      [...filter, C, M],
    ];
    const geometry = depthwiseGeometry("random", x, w, rest);
    const y = convOutputType(geometry);
    if (elementCount(y) * filter[0] * filter[1] <= MAXIMUM_MULTIPLY_ADDS / 4)
      return { x, w, window: rest, y };
  }
}

function pooledConvolution(draw: Draw) {
  for (;;) {
    const { x, w, window } = convolution(draw, 1);
    const { dilations: _, ...plain } = window;
    const { vertical, horizontal } = conv2dGeometry("random", x, w, plain);
    const poolSize: Pair = draw.flag() ? [2, 2] : [draw.int(1, 4), draw.int(1, 4)];
    if (poolSize[0] > vertical.output || poolSize[1] > horizontal.output) continue;
    const params = { ...plain, poolSize };
    const { B, N, pooled } = conv2dMaxPoolGeometry("random", x, w, params);
    return { x, w, params, y: [B, ...pooled, N] };
  }
}

function pool(draw: Draw) {
  for (;;) {
    const { image, filter, strides, padding } = window(draw, 1);
    const [B, C] = [draw.int(1, 5), draw.extent(70)];
    const x: Quad = [B, ...image, C];
    if (B * image[0] * image[1] * C > MAXIMUM_ELEMENTS) continue;
    const params: PoolParams = { poolSize: filter, strides, padding };
    const { vertical, horizontal } = poolGeometry("random", x, params);
    return { x, params, y: f32(B, vertical.output, horizontal.output, C) };
  }
}

export const convolutions = {
  conv2d(draw: Draw) {
    const { x, w, window } = convolution(draw);
    const operands = [f32(...x), f32(...w), f32(w[3])];
    return { inputs: draw.optional(operands), params: { ...window, activation: draw.activation() } };
  },
  "conv2d-input-grad"(draw: Draw) {
    const drawn = convolution(draw);
    const operands = [convolved(drawn), f32(...drawn.w), f32(...drawn.x)];
    return { inputs: draw.optional(operands), params: { ...drawn.window, inputShape: drawn.x } };
  },
  "conv2d-filter-grad"(draw: Draw) {
    const drawn = convolution(draw);
    return { inputs: [f32(...drawn.x), convolved(drawn)], params: { ...drawn.window, filterShape: drawn.w } };
  },
  "depthwise-conv2d"(draw: Draw) {
    const { x, w, window } = depthwise(draw);
    const operands = [f32(...x), f32(...w), f32(w[2] * w[3])];
    return { inputs: draw.optional(operands), params: { ...window, activation: draw.activation() } };
  },
  "depthwise-conv2d-input-grad"(draw: Draw) {
    const { x, w, window, y } = depthwise(draw);
    return { inputs: draw.optional([y, f32(...w), f32(...x)]), params: { ...window, inputShape: x } };
  },
  "depthwise-conv2d-filter-grad"(draw: Draw) {
    const { x, w, window, y } = depthwise(draw);
    return { inputs: [f32(...x), y], params: { ...window, filterShape: w } };
  },
  "conv2d-max-pool"(draw: Draw) {
    const { x, w, params } = pooledConvolution(draw);
    const operands = [f32(...x), f32(...w), f32(w[3])];
    return { inputs: draw.optional(operands), params: { ...params, activation: draw.activation() } };
  },
  "conv2d-max-pool-input-grad"(draw: Draw) {
    const { x, w, params, y } = pooledConvolution(draw);
    const operands = [f32(...y), i32(...y), f32(...w), f32(...x)];
    return { inputs: draw.optional(operands), params: { ...params, inputShape: x } };
  },
  "conv2d-max-pool-filter-grad"(draw: Draw) {
    const { x, w, params, y } = pooledConvolution(draw);
    return { inputs: [f32(...x), f32(...y), i32(...y)], params: { ...params, filterShape: w } };
  },
};

export const pools = {
  "max-pool"(draw: Draw) {
    const { x, params } = pool(draw);
    return { inputs: [f32(...x)], params };
  },
  "max-pool-grad"(draw: Draw) {
    const { x, y, params } = pool(draw);
    return { inputs: [f32(...x), y, y], params };
  },
  "avg-pool"(draw: Draw) {
    const { x, params } = pool(draw);
    return { inputs: [f32(...x)], params };
  },
  "avg-pool-grad"(draw: Draw) {
    const { x, y, params } = pool(draw);
    return { inputs: draw.optional([y, f32(...x)]), params: { ...params, inputShape: x } };
  },
  "global-avg-pool"(draw: Draw) {
    return { inputs: [f32(draw.int(1, 13), draw.extent(60), draw.extent(70))], params: {} };
  },
  "global-avg-pool-grad"(draw: Draw) {
    const [B, C] = [draw.int(1, 13), draw.extent(70)];
    return { inputs: [f32(B, C)], params: { inputShape: [B, draw.extent(9), draw.extent(7), C] } };
  },
};
