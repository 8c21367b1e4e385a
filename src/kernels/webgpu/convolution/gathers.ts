// Which gathers a convolution's op consists of.

import type { Conv2dGeometry } from "../../ops/conv2d.ts";
import type { WindowAxis } from "../../ops/window.ts";
import type { Gather, GatherAxis } from "./gathered-image.ts";
import { tapsByPhase } from "./taps.ts";

/** x by the convolution's outputs. */
export function forwardGather(geometry: Conv2dGeometry): Gather {
  const { B, H, W, KH, KW, vertical, horizontal, strides, dilations } = geometry;
  const axis = (extent: number, taps: number, { output, before }: WindowAxis, index: 0 | 1): GatherAxis => ({
    ...{ positions: output, taps, extent },
    ...{ stride: strides[index], offset: -before, tapStep: dilations[index] },
  });
  return { images: B, vertical: axis(H, KH, vertical, 0), horizontal: axis(W, KW, horizontal, 1) };
}

/** The pixels of one phase of a stride, along one axis: first, first + stride, ... */
export interface PhaseAxis {
  readonly first: number;
  /** Tap number t of the gather is the filter's lastTap - t tapStep: seen from x, a filter is turned around. */
  readonly lastTap: number;
  readonly tapStep: number;
  /** dy by the pixels. */
  readonly gather: GatherAxis;
}

export interface Phase {
  readonly vertical: PhaseAxis;
  readonly horizontal: PhaseAxis;
}

/**
 * dy by the pixels of x. A pixel meets those taps k that k dilation = pixel + before (mod stride), so that there are as many
 * kinds of pixels as the stride has phases; for each of them the gradient is a convolution without strides.
 */
export function backwardPhases(geometry: Conv2dGeometry): readonly Phase[] {
  const { H, W, KH, KW, vertical, horizontal, strides, dilations } = geometry;
  const rows = axisPhases(H, KH, vertical, strides[0], dilations[0]);
  const columns = axisPhases(W, KW, horizontal, strides[1], dilations[1]);
  return rows.flatMap((row) => columns.map((column) => ({ vertical: row, horizontal: column })));
}

function axisPhases(
  pixels: number,
  taps: number,
  { output, before }: WindowAxis,
  stride: number,
  dilation: number,
): readonly PhaseAxis[] {
  const { first: firstTaps, step } = tapsByPhase(taps, stride, dilation);
  return Array.from({ length: Math.min(stride, pixels) }, (_, first) => {
    const firstTap = firstTaps[(first + before) % stride]!;
    const met = Math.ceil((taps - firstTap) / step);
    const lastTap = firstTap + (met - 1) * step;
    return {
      ...{ first, lastTap, tapStep: step },
      gather: {
        positions: Math.ceil((pixels - first) / stride),
        taps: met,
        stride: 1,
        offset: (first + before - lastTap * dilation) / stride,
        tapStep: (step * dilation) / stride,
        extent: output,
      },
    };
  });
}
